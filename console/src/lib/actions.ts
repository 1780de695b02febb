// The fields of an action's form, from the schema that the server tells: what a newer server can do has a form as well.
import type { ActionType } from "../api/types";

/** How a parameter is written. */
export type Kind = "choice" | "line" | "text" | "code" | "list" | "words" | "codes" | "object" | "number";
export type FieldOf = {
  name: string;
  kind: Kind;
  required: boolean;
  /** The words of a choice, of which the first holds when none is written, unless one must be; or those that a list is made of. */
  words: string[];
  /** What it is, in English. */
  help: string;
};

type Schema = {
  type?: string | string[];
  description?: string;
  const?: string;
  enum?: string[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
};

/** Texts that are longer than a line. */
const LONG: Record<string, Kind> = { script: "code", query: "code", text: "text", body: "text" };

const isNull = (schema: Schema) => schema.type === "null";
const typesOf = (schema: Schema) => [schema.type ?? []].flat().filter((type) => type !== "null");

/** The schema without the possibility that nothing is there. */
function present(schema: Schema): Schema {
  const [only, ...more] = (schema.anyOf ?? []).filter((it) => !isNull(it));
  return only && more.length === 0 ? { ...only, description: schema.description ?? only.description } : schema;
}

function wordsOf(schema: Schema): string[] {
  const told = (schema.oneOf ?? []).flatMap((it) => it.const ?? it.enum ?? []);
  return told.length > 0 ? told : (schema.enum ?? []);
}

function kindOf(name: string, schema: Schema): Kind {
  if (wordsOf(schema).length > 0) return "choice";
  const [type] = typesOf(schema);
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "array":
      if (wordsOf(schema.items ?? {}).length > 0) return "words";
      return typesOf(schema.items ?? {}).some((it) => it === "integer") ? "codes" : "list";
    case "object":
      return "object";
    default:
      return LONG[name] ?? "line";
  }
}

/** The fields of an action, those that must be there first. */
export function fieldsOf(action: ActionType | undefined): FieldOf[] {
  const schema = (action?.schema ?? {}) as Schema;
  const required = new Set(schema.required ?? []);
  const all = Object.entries(schema.properties ?? {})
    .filter(([name]) => name !== "type")
    .map(([name, property]) => {
      const it = present(property);
      const kind = kindOf(name, it);
      const words = wordsOf(kind === "words" ? (it.items ?? {}) : it);
      return { name, kind, required: required.has(name), words, help: it.description ?? "" };
    });
  return [...all.filter((it) => it.required), ...all.filter((it) => !it.required)];
}

/** What an action begins with: choices that must be made, and what is most often asked. */
export function begun(type: string, fields: FieldOf[]): Record<string, unknown> {
  const chosen = fields.filter((it) => it.required && it.kind === "choice").map((it) => [it.name, it.words[0]]);
  return { type, ...Object.fromEntries(chosen), ...(type === "check_addresses" ? { ports: [22, 443] } : {}) };
}
