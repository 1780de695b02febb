// When a run would end, and what that is reckoned from.
import { useTranslation } from "react-i18next";
import type { Forecast } from "../api/types";
import { Time } from "./Time";

export function ForecastLine({ forecast }: { forecast: Forecast | null }) {
  const { t } = useTranslation();
  if (!forecast) return null;
  return (
    <span>
      {forecast.ends ? (
        <>
          {t("forecast.ends")} <Time at={forecast.ends} />
        </>
      ) : (
        t("forecast.open")
      )}
      {forecast.absent > 0 && ` · ${t("forecast.absent", { count: forecast.absent })}`}
      {forecast.late > 0 && ` · ${t("forecast.late", { count: forecast.late })}`}
      <span className="soft">
        {" "}
        ({forecast.measured > 0 ? t("forecast.measured", { count: forecast.measured }) : t("forecast.assumed")})
      </span>
    </span>
  );
}
