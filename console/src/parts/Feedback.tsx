// Empty, failed and loading: each with a sentence, a reason and the next step.
import { Button, Skeleton } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/client";
import { sayProblem } from "../i18n/say";

type EmptyProps = { title: string; why?: string; children?: ReactNode };

export function Empty({ title, why, children }: EmptyProps) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {why && <p className="why">{why}</p>}
      {children && <div className="next">{children}</div>}
    </div>
  );
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const title = error instanceof Error ? error.message : String(error);
  return new ApiError({ type: "about:blank/console/fault", title, status: 0 });
}

export function Fault({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const problem = asApiError(error);
  const { title, detail } = sayProblem(t, problem);
  return (
    <div className="fault" role="alert">
      <IconAlertTriangle size={18} aria-hidden />
      <div className="grow">
        <p>
          <strong>{title}</strong>
        </p>
        {detail && <p>{detail}</p>}
        {problem.problem.errors?.map((e) => (
          <p key={e.pointer + e.detail}>
            <span className="mono">{e.pointer}</span> {e.detail}
          </p>
        ))}
        {problem.problem.request_id && (
          <p className="id">
            {t("common.request")} <span className="mono">{problem.problem.request_id}</span>
          </p>
        )}
      </div>
      {retry && (
        <Button leftSection={<IconRefresh size={14} aria-hidden />} onClick={retry}>
          {t("common.retry")}
        </Button>
      )}
    </div>
  );
}

/** Grey lines where rows or facts will stand. */
export function Lines({ count = 6, height = 14 }: { count?: number; height?: number }) {
  const { t } = useTranslation();
  return (
    <div className="stack" role="status" aria-label={t("common.loading")} style={{ padding: 14 }}>
      {Array.from({ length: count }, (_, i) => (
        <Skeleton key={i} height={height} width={`${92 - ((i * 17) % 40)}%`} radius="sm" />
      ))}
    </div>
  );
}

/** Says the failure of an action in the corner. */
export function shout(t: TFunction, error: unknown): void {
  const problem = asApiError(error);
  const { title, detail } = sayProblem(t, problem);
  const id = problem.problem.request_id;
  notifications.show({
    color: "red",
    title,
    message: [detail, id && `${t("common.request")} ${id}`].filter(Boolean).join(" · "),
    autoClose: 10_000,
    closeButtonProps: { "aria-label": t("common.close") },
  });
}

export function tell(t: TFunction, message: string): void {
  notifications.show({ message, autoClose: 5_000, closeButtonProps: { "aria-label": t("common.close") } });
}
