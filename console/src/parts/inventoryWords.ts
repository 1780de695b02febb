// Fields of inventory rows and their values as people read them.
import { useTranslation } from "react-i18next";
import { maybe } from "../i18n/say";
import { mebibytes } from "../lib/format";
import { isBytes, isMebibytes, plainText } from "../lib/inventory";

/** The value of a field: sizes with their unit, yes and no in words. */
export function useValue(section: string) {
  const { t, i18n } = useTranslation();
  return (field: string, value: unknown): string => {
    if (typeof value === "boolean") return value ? t("common.yes") : t("common.no");
    if (typeof value === "number" && isMebibytes(section, field)) return mebibytes(value, i18n.language);
    if (typeof value === "number" && isBytes(section, field)) return mebibytes(Math.round((value / 1048576) * 10) / 10, i18n.language);
    return plainText(value);
  };
}

export function useLabel() {
  const { t } = useTranslation();
  return (field: string) => maybe(t, `field.${field}`) ?? field.replaceAll("_", " ");
}
