// Tabs that are addresses: each is a link, so that it can be opened, shared and gone back from.
import { Link } from "@tanstack/react-router";
import { type ReactNode, useLayoutEffect, useRef } from "react";

type Tab = { name: string; label: ReactNode; count?: string; to?: string };
type Props = { label: string; tabs: Tab[]; now: string; onChange?: (name: string) => void };

export function Tabs({ label, tabs, now, onChange }: Props) {
  const bar = useRef<HTMLElement>(null);
  // On a narrow screen the tab one is on may lie beyond the edge.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another tab or other tabs lie elsewhere
  useLayoutEffect(() => {
    const box = bar.current;
    const tab = box?.querySelector<HTMLElement>("[aria-current]");
    if (!box || !tab) return;
    const [outer, inner] = [box.getBoundingClientRect(), tab.getBoundingClientRect()];
    if (inner.left >= outer.left && inner.right <= outer.right) return;
    box.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }, [now, tabs.length]);
  return (
    <nav className="tabs" aria-label={label} ref={bar}>
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
