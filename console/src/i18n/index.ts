// The languages of the console: one lazy file each, chosen by the person, then by the browser, then English.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = { en: "English", fr: "Français", es: "Español", pt: "Português" } as const;
export type Language = keyof typeof LANGUAGES;

const LOAD: Record<Language, () => Promise<{ default: object }>> = {
  en: () => import("./en.json"),
  fr: () => import("./fr.json"),
  es: () => import("./es.json"),
  pt: () => import("./pt.json"),
};
const STORED = "muster.language";

export const isLanguage = (text: string | null | undefined): text is Language => !!text && text in LANGUAGES;

/** The first language of the list that we have, by its first subtag ('pt-BR' is 'pt'). */
export function choose(stored: string | null, wanted: readonly string[]): Language {
  if (isLanguage(stored)) return stored;
  for (const tag of wanted) {
    const short = tag.toLowerCase().split("-")[0];
    if (isLanguage(short)) return short;
  }
  return "en";
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, "translation")) return;
  const file = await LOAD[language]();
  i18next.addResourceBundle(language, "translation", file.default);
}

export async function startLanguages(): Promise<void> {
  const language = choose(stored(), navigator.languages ?? [navigator.language]);
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
    showSupportNotice: false,
    react: { useSuspense: false },
  } as Parameters<typeof i18next.init>[0]);
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

export async function setLanguage(language: Language): Promise<void> {
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}
