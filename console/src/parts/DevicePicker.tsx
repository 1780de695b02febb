// Machines by name: a search that adds, and the list of those chosen.
import { ActionIcon, Combobox, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices, list } from "../api/client";
import type { Device } from "../api/types";

export function DevicePicker({ ids, onChange }: { ids: string[]; onChange: (ids: string[]) => void }) {
  const { t } = useTranslation();
  const box = useCombobox();
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text.trim(), 200);
  const found = useQuery({
    queryKey: ["devices", "picker", q],
    queryFn: ({ signal }) => list<Device>("/devices", { q, limit: 8 }, signal),
    enabled: q.length > 0,
  });
  const options = (found.data?.items ?? []).filter((d) => !ids.includes(d.id));
  return (
    <div className="stack" style={{ gap: 6 }}>
      <Combobox
        store={box}
        onOptionSubmit={(id) => {
          onChange([...ids, id]);
          setText("");
          box.closeDropdown();
        }}
      >
        <Combobox.Target>
          <TextInput
            aria-label={t("task.add_machine")}
            placeholder={t("task.add_machine")}
            value={text}
            onChange={(e) => {
              setText(e.currentTarget.value);
              box.openDropdown();
            }}
            onBlur={() => box.closeDropdown()}
          />
        </Combobox.Target>
        <Combobox.Dropdown hidden={q.length === 0}>
          <Combobox.Options>
            {options.map((d) => (
              <Combobox.Option key={d.id} value={d.id}>
                {d.name} <span className="soft">{[d.os, d.ips[0]].filter(Boolean).join(" · ")}</span>
              </Combobox.Option>
            ))}
            {options.length === 0 && <Combobox.Empty>{found.isFetching ? t("common.loading") : t("machines.none_match")}</Combobox.Empty>}
          </Combobox.Options>
        </Combobox.Dropdown>
      </Combobox>
      <ul className="row wrap" style={{ gap: 6 }}>
        {ids.map((id) => (
          <li key={id} className="chip">
            <Name id={id} />
            <ActionIcon
              variant="transparent"
              color="gray"
              size={18}
              aria-label={t("filter.clear_one", { name: id })}
              onClick={() => onChange(ids.filter((x) => x !== id))}
            >
              <IconX size={12} aria-hidden />
            </ActionIcon>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A document may name machines by id or by name; an id is shown as the machine's name. */
function Name({ id }: { id: string }) {
  const isId = /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id);
  const device = useQuery({ queryKey: ["device", id], queryFn: () => devices.read(id), enabled: isId, retry: false });
  return <span className="cut">{device.data?.name ?? id}</span>;
}
