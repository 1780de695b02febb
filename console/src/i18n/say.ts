// Sentences that come from the server as key and parameters, said in the reader's language.
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../api/client";
import type { Params, Sentence } from "../api/types";
import { absolute, number, relative } from "../lib/format";

/** `t` for keys that are only known at run time. Gives `undefined` when the key is not translated. */
export function maybe(t: TFunction, key: string, params: Record<string, unknown> = {}): string | undefined {
  const loose = t as unknown as (key: string, options: Record<string, unknown>) => string;
  const text = loose(key, { ...params, defaultValue: "" });
  return text || undefined;
}

/** The word for a value of a closed list (a state, a protocol, a kind); the value itself when it is new to us. */
export function word(t: TFunction, group: string, value: string): string {
  return maybe(t, `${group}.${value}`) ?? value.replaceAll("_", " ");
}

const TIMES = new Set(["last_contact", "next_contact", "until", "at", "since", "not_before", "expires"]);

/** Times among the parameters of a sentence become words, numbers get their separators. */
export function spoken(params: Params, lang: string, now: number): Record<string, string | number> {
  const out: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(params)) {
    if (TIMES.has(key) && typeof value === "string" && !Number.isNaN(Date.parse(value))) {
      out[key] = relative(value, now, lang, "long");
      out[`${key}_exact`] = absolute(value, lang);
    } else if (typeof value === "number" && key !== "count") out[key] = number(value, lang);
    else out[key] = value ?? "";
  }
  return out;
}

/** A sentence of the server: ours when we know the key and it has all it needs, otherwise the server's own English. */
export function say(t: TFunction, lang: string, group: string, sentence: Sentence, now = Date.now()): string {
  const text = maybe(t, `${group}.${sentence.key}`, spoken(sentence.params ?? {}, lang, now));
  return text && !text.includes("{{") ? text : sentence.text;
}

/** A problem in a person's words: the translated title of its kind, with the server's detail where that says more. */
export function sayProblem(t: TFunction, error: ApiError): { title: string; detail?: string } {
  const known = maybe(t, `problem.${error.key.replace("/", ".")}`, { count: error.problem.count ?? 0 });
  const detail = error.problem.detail;
  if (known) return { title: known, detail: detail && detail !== known ? detail : undefined };
  return { title: error.problem.title, detail };
}

export function useLang(): string {
  return useTranslation().i18n.language;
}
