// One field that finds screens, machines and tasks (`/` and Ctrl K).
import { Modal } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowRight, IconDeviceDesktop, IconListCheck, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { list } from "../api/client";
import { useMay } from "../api/queries";
import type { Device, Task } from "../api/types";
import { protocolName } from "../parts/Machine";
import { SCREENS } from "./screens";

type Entry = { id: string; group: string; icon: ReactNode; label: string; more?: string; go: () => void };

export function Palette({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal.Root opened={opened} onClose={onClose} size={620} padding={0} centered={false} yOffset="9vh">
      <Modal.Overlay />
      <Modal.Content aria-label={t("frame.find")}>
        <Modal.Body>
          <Finder onClose={onClose} />
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

function useEntries(text: string, done: () => void): { entries: Entry[]; busy: boolean } {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const mayOperate = useMay("operator");
  const mayAdmin = useMay("admin");
  const [q] = useDebouncedValue(text.trim(), 150);
  const found = useQuery({
    queryKey: ["palette", q],
    enabled: q.length >= 2,
    staleTime: 10_000,
    queryFn: ({ signal }) =>
      Promise.all([list<Device>("/devices", { q, limit: 7 }, signal), list<Task>("/tasks", { q, limit: 5 }, signal)]),
  });
  const go = (run: () => void) => () => {
    done();
    run();
  };
  const arrow = <IconArrowRight size={15} aria-hidden />;
  const actions = mayOperate ? [{ name: t("task.new"), to: "/tasks/new", icon: arrow }] : [];
  const administration = mayAdmin
    ? [
        { name: t("nav.credentials"), to: "/fleet/credentials", icon: arrow },
        { name: t("nav.users"), to: "/settings/users", icon: arrow },
        { name: t("nav.audit"), to: "/settings/audit", icon: arrow },
      ]
    : [];
  const screens = [
    ...SCREENS.map((s) => ({ name: t(`nav.${s.name}`), to: s.to as string, icon: <s.icon size={15} aria-hidden /> })),
    { name: t("nav.changes"), to: "/fleet/changes", icon: arrow },
    { name: t("nav.software"), to: "/fleet/software", icon: arrow },
    { name: t("nav.duplicates"), to: "/fleet/duplicates", icon: arrow },
    { name: t("nav.join"), to: "/fleet/join", icon: arrow },
    { name: t("nav.tokens"), to: "/settings/tokens", icon: arrow },
    ...administration,
    ...actions,
  ];
  const wanted = text.trim().toLocaleLowerCase();
  const entries: Entry[] = screens
    .filter((s) => s.name.toLocaleLowerCase().includes(wanted))
    .map((s) => ({ id: s.to, group: t("palette.screens"), icon: s.icon, label: s.name, go: go(() => navigate({ to: s.to })) }));
  if (q.length >= 2 && found.data) {
    const [machines, tasks] = found.data;
    for (const d of machines.items) {
      const more = [d.model, d.ips[0], d.agent && protocolName(d.agent.protocol)].filter(Boolean).join(" · ");
      const icon = <IconDeviceDesktop size={15} aria-hidden />;
      const open = go(() => navigate({ to: "/machines/$id", params: { id: d.id } }));
      entries.push({ id: `d${d.id}`, group: t("nav.machines"), icon, label: d.name, more, go: open });
    }
    if ((machines.total ?? 0) > machines.items.length) {
      const all = go(() => navigate({ to: "/machines", search: { q } }));
      const label = t("palette.all_machines", { count: machines.total ?? 0 });
      entries.push({ id: "all", group: t("nav.machines"), icon: <IconSearch size={15} aria-hidden />, label, go: all });
    }
    for (const task of tasks.items) {
      const open = go(() => navigate({ to: "/tasks/$id", params: { id: task.id } }));
      entries.push({
        id: `t${task.id}`,
        group: t("nav.tasks"),
        icon: <IconListCheck size={15} aria-hidden />,
        label: task.doc.name,
        go: open,
      });
    }
  }
  return { entries, busy: found.isFetching };
}

function Finder({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const { entries, busy } = useEntries(text, onClose);
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  // At once, not when the dialog has finished appearing: people type on after Ctrl K.
  useEffect(() => field.current?.focus(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new text starts at the top again
  useEffect(() => setAt(0), [text]);
  const now = Math.min(at, entries.length - 1);
  useEffect(() => {
    // In braces: newer browsers give a promise here, which React would take for the effect's clean-up.
    document.getElementById(`${id}-${now}`)?.scrollIntoView({ block: "nearest" });
  }, [id, now]);
  const onKeyDown = (e: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && entries.length > 0) {
      e.preventDefault();
      setAt((now + step + entries.length) % entries.length);
    }
    if (e.key === "Enter") entries[now]?.go();
  };
  return (
    <div className="palette">
      <div className="palette-field">
        <IconSearch size={17} aria-hidden />
        <input
          ref={field}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          onKeyDown={onKeyDown}
          placeholder={t("frame.find")}
          aria-label={t("frame.find")}
          role="combobox"
          aria-expanded={entries.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={entries.length > 0 ? `${id}-${now}` : undefined}
          aria-autocomplete="list"
          data-autofocus
          spellCheck={false}
        />
        <kbd className="key">Esc</kbd>
      </div>
      <div className="palette-list" role="listbox" id={`${id}-list`} aria-label={t("frame.find")} aria-busy={busy}>
        {entries.map((entry, i) => (
          <div key={entry.id}>
            {entries[i - 1]?.group !== entry.group && (
              <div className="palette-group" role="presentation">
                {entry.group}
              </div>
            )}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field above handles the keys of its list */}
            <div
              role="option"
              tabIndex={-1}
              id={`${id}-${i}`}
              aria-selected={i === now}
              className="palette-entry"
              onClick={entry.go}
              onMouseMove={() => setAt(i)}
            >
              {entry.icon}
              <span className="cut">{entry.label}</span>
              {entry.more && <span className="soft cut more">{entry.more}</span>}
            </div>
          </div>
        ))}
      </div>
      {entries.length === 0 && <p className="empty soft">{busy ? t("common.loading") : t("palette.nothing")}</p>}
    </div>
  );
}
