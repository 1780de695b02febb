// An answer as CSV (RFC 4180).
const quoted = (value: unknown): string => {
  const text = value === null || value === undefined ? "" : String(value);
  // What begins like a formula would be one in a spreadsheet.
  const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]|^ | $/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

export const csv = (columns: string[], rows: unknown[][]): string =>
  [columns, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
