import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

type Props = {
  p: { name: string; publisher: string };
  tab?: "devices";
  version?: string;
  arch?: string;
  below?: string;
  children: ReactNode;
};

/** A link to a program's page, or to the machines that have it. */
export function ProgramLink({ p, tab, version, arch, below, children }: Props) {
  const all = { name: p.name, publisher: p.publisher, tab, version, arch, below };
  const search = Object.fromEntries(Object.entries(all).filter(([, v]) => v));
  return (
    <Link to="/fleet/software/program" search={search as never} className="link">
      {children}
    </Link>
  );
}
