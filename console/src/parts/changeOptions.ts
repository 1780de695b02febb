// The choices of the filters of changes.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { word } from "../i18n/say";
import { FACT_SECTIONS } from "../lib/inventory";

const KINDS = ["changed", "first", "removed"] as const;

/** All sections by their name in the reader's language; those that the machine has, where it is one machine. */
export function useSectionOptions(own?: readonly string[]) {
  const { t, i18n } = useTranslation();
  return useMemo(() => {
    const names = [...new Set(own?.length ? own : FACT_SECTIONS)];
    const all = names.map((value) => ({ value, label: word(t, "section", value), text: word(t, "section", value) }));
    return all.sort((a, b) => a.text.localeCompare(b.text, i18n.language));
  }, [own, t, i18n.language]);
}

export function useKindOptions() {
  const { t } = useTranslation();
  return KINDS.map((value) => ({ value, label: t(`change.kind_${value}`), text: t(`change.kind_${value}`) }));
}
