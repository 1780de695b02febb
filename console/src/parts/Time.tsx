// An instant as people say it, with the exact one in the tooltip. One shared clock ticks for all of them.
import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { absolute, duration, relative } from "../lib/format";

const TICK_MS = 10_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const watchers = new Set<() => void>();

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const w of watchers) w();
  }, TICK_MS);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Milliseconds now, renewed every ten seconds. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}

export function Time({ at, empty }: { at: string | null | undefined; empty?: string }) {
  const { i18n } = useTranslation();
  const clock = useNow();
  if (!at) return <span className="soft">{empty ?? "–"}</span>;
  return (
    <Tooltip label={absolute(at, i18n.language)}>
      <time dateTime={at}>{relative(at, Math.max(clock, Date.now()), i18n.language)}</time>
    </Tooltip>
  );
}

/** How long something took, or takes so far. */
export function Took({ from, to }: { from: string | null; to: string | null }) {
  const { i18n } = useTranslation();
  const clock = useNow();
  if (!from) return <span className="soft">–</span>;
  return <span>{duration(from, to ?? clock, i18n.language)}</span>;
}
