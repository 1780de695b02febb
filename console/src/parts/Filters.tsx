// The bar above a list: text, chips with the values of a filter, and what clears them. All of it is the address.
import { ActionIcon, Button, Checkbox, Popover, TextInput } from "@mantine/core";
import { IconPlus, IconSearch, IconX } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useKeys } from "../lib/keys";
import { toggled, values } from "../lib/search";

const TYPING_MS = 250;

type TextProps = { value: string; onChange: (value: string) => void; label: string; className?: string; mono?: boolean };

/** A text of the address that follows the typing a moment later; with `mono`, an expression that waits for Enter. */
export function TextFilter({ value, onChange, label, className = "text", mono }: TextProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  const send = (next: string) => {
    if (next === sent.current) return;
    sent.current = next;
    onChange(next);
  };
  const later = useRef(send);
  later.current = send;
  useEffect(() => {
    if (mono) return;
    const timer = setTimeout(() => later.current(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, mono]);
  useKeys(mono ? [] : [{ keys: "f", label: t("keys.filter"), run: () => field.current?.focus() }]);
  return (
    <TextInput
      ref={field}
      className={className}
      size="xs"
      aria-label={label}
      placeholder={label}
      value={text}
      leftSection={mono ? <span className="mono">ƒ</span> : <IconSearch size={14} aria-hidden />}
      styles={mono ? { input: { fontFamily: "var(--mantine-font-family-monospace)" } } : undefined}
      spellCheck={false}
      onChange={(e) => setText(e.currentTarget.value)}
      onBlur={() => send(text.trim())}
      onKeyDown={(e) => {
        if (e.key === "Enter") send(text.trim());
        if (e.key === "Escape") e.currentTarget.blur();
      }}
      rightSection={
        text ? (
          <ActionIcon
            variant="subtle"
            size="xs"
            aria-label={t("filter.clear_one", { name: label })}
            onClick={() => {
              setText("");
              send("");
            }}
          >
            <IconX size={12} aria-hidden />
          </ActionIcon>
        ) : null
      }
    />
  );
}

type ChipProps = {
  label: string;
  value: string | undefined;
  shown: string;
  onClear: () => void;
  children: (close: () => void) => ReactNode;
};

export function Chip({ label, value, shown, onClear, children }: ChipProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" trapFocus returnFocus>
      <span className={value ? "filter-chip set" : "filter-chip"}>
        <Popover.Target>
          <button type="button" onClick={() => setOpen(!open)}>
            {!value && <IconPlus size={13} aria-hidden />}
            {label}
            {value && <span className="value">{shown}</span>}
          </button>
        </Popover.Target>
        {value && (
          <button type="button" className="off" onClick={onClear} aria-label={t("filter.clear_one", { name: label })}>
            <IconX size={13} aria-hidden />
          </button>
        )}
      </span>
      <Popover.Dropdown aria-label={label}>{children(() => setOpen(false))}</Popover.Dropdown>
    </Popover>
  );
}

type ChoiceProps = {
  label: string;
  value: string | undefined;
  options: { value: string; label: ReactNode; text: string }[];
  onChange: (value: string) => void;
  one?: boolean;
};

export function ChoiceFilter({ label, value, options, onChange, one }: ChoiceProps) {
  const chosen = values(value);
  const shown = options.filter((o) => chosen.includes(o.value)).map((o) => o.text);
  const pick = (v: string) => onChange(one ? (chosen.includes(v) ? "" : v) : toggled(value, v));
  return (
    <Chip label={label} value={value} shown={shown.join(", ") || chosen.join(", ")} onClear={() => onChange("")}>
      {(close) => (
        <div className="stack choices">
          {options.map((o) => (
            <Checkbox
              key={o.value}
              checked={chosen.includes(o.value)}
              label={o.label}
              onChange={() => {
                pick(o.value);
                if (one) close();
              }}
            />
          ))}
        </div>
      )}
    </Chip>
  );
}

type WordProps = { label: string; value: string | undefined; onChange: (value: string) => void };

/** A filter with one typed value. */
export function WordFilter({ label, value, onChange }: WordProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(value ?? "");
  useEffect(() => setText(value ?? ""), [value]);
  return (
    <Chip label={label} value={value} shown={value ?? ""} onClear={() => onChange("")}>
      {(close) => (
        <form
          className="row"
          onSubmit={(e) => {
            e.preventDefault();
            onChange(text.trim());
            close();
          }}
        >
          <TextInput size="xs" aria-label={label} value={text} data-autofocus onChange={(e) => setText(e.currentTarget.value)} />
          <Button type="submit">{t("filter.apply")}</Button>
        </form>
      )}
    </Chip>
  );
}
