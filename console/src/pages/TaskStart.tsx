export function TaskStart() { return null; }
