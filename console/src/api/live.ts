// One stream of changes keeps every screen fresh. It carries only what changed; the screens read it again.
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { EVENTS } from "./client";
import type { Change, ChangeKind } from "./types";

/** What is read again when a thing of this kind changes: the first words of query keys. */
export const AFFECTS: Record<ChangeKind, readonly string[]> = {
  device: ["devices", "device", "overview"],
  agent: ["agents", "devices", "device", "overview"],
  task: ["tasks", "task"],
  run: ["runs", "run", "overview", "tasks", "task"],
  schedule: ["occurrences", "calendar", "schedule", "overview"],
  message: ["messages", "overview"],
  assignment: ["assignments", "assignment", "queue", "run", "runs", "overview"],
  // The brake comes with the settings, and it is a reason of everything that waits.
  settings: ["settings", "brake", "queue", "assignments", "assignment"],
};

/** Details are only touched when the change is about them. */
const DETAIL: Partial<Record<string, ChangeKind>> = { device: "device", task: "task" };

export type Touched = Map<string, Set<string> | "all">;

export function touch(touched: Touched, change: Change): void {
  for (const key of AFFECTS[change.kind] ?? []) {
    const narrow = DETAIL[key] === change.kind && change.id !== null;
    const now = touched.get(key);
    if (!narrow) touched.set(key, "all");
    else if (now !== "all") touched.set(key, (now ?? new Set()).add(change.id as string));
  }
}

/** Long lists that a person scrolled far into are marked old, not read again page by page. */
const PAGES_READ_AGAIN = 3;

export function invalidate(client: QueryClient, touched: Touched): void {
  for (const [key, ids] of touched) {
    const match = (queryKey: readonly unknown[]) => queryKey[0] === key && (ids === "all" || ids.has(String(queryKey[1])));
    client.invalidateQueries({ predicate: (q) => match(q.queryKey), refetchType: "none" });
    client.refetchQueries({
      type: "active",
      predicate: (q) => {
        const data = q.state.data as { pages?: unknown[] } | undefined;
        return match(q.queryKey) && (data?.pages?.length ?? 0) <= PAGES_READ_AGAIN;
      },
    });
  }
}

export type Link = { state: "connecting" | "live" | "lost"; since: number };
let link: Link = { state: "connecting", since: Date.now() };
const watchers = new Set<() => void>();

function setLink(state: Link["state"]): void {
  if (link.state === state) return;
  link = { state, since: Date.now() };
  for (const watcher of watchers) watcher();
}

export function useLink(): Link {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => link,
  );
}

const THROTTLE_MS = 1500;
const AGAIN_MS = 5000;

/** Opens the stream and gives the function that closes it. */
export function connect(client: QueryClient): () => void {
  let touched: Touched = new Map();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource;

  const flush = () => {
    timer = undefined;
    const now = touched;
    touched = new Map();
    invalidate(client, now);
  };
  const open = () => {
    source = new EventSource(EVENTS);
    source.onopen = () => {
      // What changed while we were away was not told to us.
      if (link.state === "lost") client.invalidateQueries();
      setLink("live");
    };
    source.onerror = () => {
      setLink("lost");
      // A browser gives up for good after some answers, such as an error of a proxy.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    };
    source.addEventListener("change", (event) => {
      touch(touched, JSON.parse(event.data) as Change);
      timer ??= setTimeout(flush, THROTTLE_MS);
    });
    source.addEventListener("reset", () => client.invalidateQueries());
  };
  open();
  return () => {
    clearTimeout(timer);
    clearTimeout(again);
    source.close();
  };
}

export function useLive(client: QueryClient, signedIn: boolean): void {
  useEffect(() => (signedIn ? connect(client) : undefined), [client, signedIn]);
}
