// Tabs that are addresses: each is a link, so that it can be opened, shared and gone back from.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

type Tab = { name: string; label: ReactNode; count?: string; to?: string };
type Props = { label: string; tabs: Tab[]; now: string; onChange?: (name: string) => void };

export function Tabs({ label, tabs, now, onChange }: Props) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <Link
          key={tab.name}
          to={tab.to ?? "."}
          search={(tab.to ? {} : (before: Record<string, string>) => ({ ...before, tab: tab.name })) as never}
          aria-current={tab.name === now ? "page" : undefined}
          activeOptions={{ exact: true }}
          onClick={(e) => {
            if (tab.to || e.metaKey || e.ctrlKey) return;
            e.preventDefault();
            onChange?.(tab.name);
          }}
        >
          {tab.label}
          {tab.count && <span className="tally">{tab.count}</span>}
        </Link>
      ))}
    </nav>
  );
}
