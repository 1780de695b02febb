// Which columns a table shows and in which order: by ticks, by buttons, by the keys of a row, by dragging.
import { ActionIcon, Button, Checkbox, Popover, Tooltip } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconColumns3, IconGripVertical, IconLock } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Arrangeable, flipped, moved, movedTo, ownOrder } from "../lib/columns";

type Head = Arrangeable & { head: string };
type Props = { columns: Head[]; shown: string[]; onChange: (ids: string[] | null) => void };

export function ColumnMenu({ columns, shown, onChange }: Props) {
  const { t } = useTranslation();
  const head = (id: string) => columns.find((c) => c.id === id)?.head ?? id;
  const hidden = columns.filter((c) => !shown.includes(c.id)).map((c) => c.id);
  const own = ownOrder(columns).join() === shown.join();
  return (
    <Popover position="bottom-end" trapFocus returnFocus>
      <Popover.Target>
        <Tooltip label={t("list.columns")}>
          <ActionIcon variant="default" size={30} aria-label={t("list.columns")}>
            <IconColumns3 size={15} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("list.columns")}>
        <div className="stack columns-menu">
          <ul>
            {shown.map((id, i) => (
              <Shown key={id} id={id} head={head(id)} at={i} shown={shown} columns={columns} onChange={onChange} />
            ))}
          </ul>
          {hidden.length > 0 && (
            <ul className="apart">
              {hidden.map((id) => (
                <li key={id}>
                  <Checkbox checked={false} label={head(id)} onChange={() => onChange(flipped(columns, shown, id))} />
                </li>
              ))}
            </ul>
          )}
          <div className="row spread">
            <span className="soft">{t("list.columns_how")}</span>
            <Button disabled={own} onClick={() => onChange(null)}>
              {t("list.columns_reset")}
            </Button>
          </div>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

type ShownProps = Props & { id: string; head: string; at: number };

/** The first column names the row and stays where it is. */
function Shown({ id, head, at, shown, columns, onChange }: ShownProps) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const fixed = at === 0;
  const move = (by: number) => onChange(moved(shown, id, by));
  const onKeyDown = (e: React.KeyboardEvent) => {
    const by = e.altKey ? { ArrowUp: -1, ArrowDown: 1 }[e.key] : undefined;
    if (!by) return;
    e.preventDefault();
    move(by);
  };
  const drop = (e: React.DragEvent) => {
    setOver(false);
    const dragged = e.dataTransfer.getData("text/plain");
    if (fixed || !shown.includes(dragged)) return;
    e.preventDefault();
    onChange(movedTo(shown, dragged, id));
  };
  return (
    <li
      draggable={!fixed}
      data-over={over}
      onDragStart={(e) => e.dataTransfer.setData("text/plain", id)}
      onDragOver={(e) => {
        if (fixed) return;
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onKeyDown={fixed ? undefined : onKeyDown}
    >
      {fixed ? (
        <span className="row always" title={t("list.column_always")}>
          <IconLock size={15} aria-hidden className="grip" /> {head} <span className="hidden-label">{t("list.column_always")}</span>
        </span>
      ) : (
        <>
          <IconGripVertical size={13} aria-hidden className="grip" />
          <Checkbox className="grow" checked label={head} onChange={() => onChange(flipped(columns, shown, id))} />
        </>
      )}
      {!fixed && (
        <>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={24}
            disabled={at === 1}
            aria-label={t("list.column_up", { name: head })}
            onClick={() => move(-1)}
          >
            <IconChevronUp size={14} aria-hidden />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={24}
            disabled={at === shown.length - 1}
            aria-label={t("list.column_down", { name: head })}
            onClick={() => move(1)}
          >
            <IconChevronDown size={14} aria-hidden />
          </ActionIcon>
        </>
      )}
    </li>
  );
}
