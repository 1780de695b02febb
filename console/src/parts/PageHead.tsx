// Breadcrumb as title, one line of facts, actions at the right (the dangerous one last).
import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode, useEffect } from "react";

export type Crumb = { label: string; to: string };
type Props = { crumbs?: Crumb[]; title: string; facts?: ReactNode; actions?: ReactNode };

export function PageHead({ crumbs = [], title, facts, actions }: Props) {
  useEffect(() => {
    document.title = `${title} · Muster`;
  }, [title]);
  return (
    <header className="head">
      <div style={{ minWidth: 0, flex: "1 1 260px" }}>
        <h1>
          {crumbs.map((crumb) => (
            <Fragment key={crumb.to}>
              <Link to={crumb.to} className="crumb">
                {crumb.label}
              </Link>
              <span className="sep" aria-hidden>
                ›
              </span>
            </Fragment>
          ))}
          <span>{title}</span>
        </h1>
        {facts && <div className="facts">{facts}</div>}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </header>
  );
}
