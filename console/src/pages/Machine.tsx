export function Machine() { return null; }
