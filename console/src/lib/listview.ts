// What a list page reads from and writes to its address, and the columns a person chose.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { Column } from "../parts/DataTable";
import { type Search, values } from "./search";

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

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`muster.columns.${name}`);
  } catch {
    return null;
  }
}

/** Columns from the address, else as remembered in this browser, else the list's own. The first always stands. */
export function useColumns<R>(name: string, all: Column<R>[], cols: string | undefined, change: (patch: { cols?: string }) => void) {
  const [stored, setStored] = useState(() => remembered(name));
  const shown = useMemo(() => {
    const chosen = values(cols ?? stored ?? "").filter((id) => all.some((c) => c.id === id));
    return chosen.length > 0 ? chosen : all.filter((c) => !c.extra).map((c) => c.id);
  }, [all, cols, stored]);
  const choose = (ids: string[]) => {
    const text = ids.join(",");
    try {
      localStorage.setItem(`muster.columns.${name}`, text);
    } catch {
      // The address still holds the choice.
    }
    setStored(text);
    change({ cols: text });
  };
  const columns = all.filter((c, i) => i === 0 || shown.includes(c.id));
  return { columns, shown, choose };
}
