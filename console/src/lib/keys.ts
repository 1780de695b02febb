// Keyboard of the screens: single keys and 'g x' sequences, never while someone types or a dialog is open.
import { useEffect, useRef, useSyncExternalStore } from "react";

/** `label` is what the key help says; `keys` is one key ('j', '/', '?') or two in a row ('g q'). */
export type Binding = { keys: string; label: string; run: () => void };

const SEQUENCE_MS = 1200;
let layers: (() => Binding[])[] = [];
let revision = 0;
const watchers = new Set<() => void>();
let before = { key: "", at: 0 };

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target) && !(event.target as HTMLElement).matches("input[type=checkbox]")) return;
  if (document.querySelector("[role=dialog], [role=menu], [role=listbox]")) return;
  const sequence = event.timeStamp - before.at < SEQUENCE_MS ? `${before.key} ${event.key}` : "";
  const all = layers.flatMap((layer) => layer());
  const found = all.find((b) => b.keys === sequence) ?? all.find((b) => b.keys === event.key);
  before = { key: event.key, at: event.timeStamp };
  if (!found) return;
  event.preventDefault();
  before = { key: "", at: 0 };
  found.run();
}

/** The keys of the part of the screen that calls this, as long as it is shown. The latest part wins. */
export function useKeys(bindings: Binding[]): void {
  const now = useRef(bindings);
  now.current = bindings;
  useEffect(() => {
    const layer = () => now.current;
    if (layers.length === 0) window.addEventListener("keydown", onKey);
    layers = [layer, ...layers];
    changed();
    return () => {
      layers = layers.filter((l) => l !== layer);
      if (layers.length === 0) window.removeEventListener("keydown", onKey);
      changed();
    };
  }, []);
}

function changed(): void {
  revision += 1;
  for (const watcher of watchers) watcher();
}

/** Every key that does something now, for the help. */
export function useAllKeys(): Binding[] {
  useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => revision,
  );
  const seen = new Set<string>();
  return layers.flatMap((layer) => layer()).filter((b) => !seen.has(b.keys) && seen.add(b.keys));
}
