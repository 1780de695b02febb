export function TaskNew() { return null; }
export function TaskEdit() { return null; }
