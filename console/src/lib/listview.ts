// What a list page reads from and writes to its address, and the columns a person chose.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { Column } from "../parts/DataTable";
import { arranged, ownOrder } from "./columns";
import type { Search } from "./search";

export function useAddress(): [Search, (patch: Record<string, string | undefined>) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (patch: Record<string, string | undefined>) => {
      const next = (before: Search): Search => {
        const all: Record<string, string | undefined> = { ...before, ...patch };
        return Object.fromEntries(Object.entries(all).filter(([, v]) => v)) as Search;
      };
      // The page's own type of search is narrower than this helper, which serves all lists.
      void navigate({ to: ".", search: next as never, replace: true });
    },
    [navigate],
  );
  return [search, change];
}

const place = (name: string) => `muster.columns.${name}`;

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(place(name));
  } catch {
    return null;
  }
}

function remember(name: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(place(name));
    else localStorage.setItem(place(name), text);
  } catch {
    // The address still holds the choice.
  }
}

/** Columns in the order of the address, else as remembered in this browser, else the list's own. The first always leads. */
export function useColumns<R>(name: string, all: Column<R>[], cols: string | undefined, change: (patch: { cols?: string }) => void) {
  const [stored, setStored] = useState(() => remembered(name));
  const shown = useMemo(() => arranged(all, cols ?? stored), [all, cols, stored]);
  const choose = (ids: string[] | null) => {
    const text = ids === null || ids.join() === ownOrder(all).join() ? null : ids.join(",");
    remember(name, text);
    setStored(text);
    change({ cols: text ?? undefined });
  };
  const columns = useMemo(() => shown.flatMap((id) => all.find((c) => c.id === id) ?? []), [all, shown]);
  return { columns, shown, choose };
}
