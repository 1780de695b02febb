import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Empty } from "../parts/Feedback";
import { PageHead } from "../parts/PageHead";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <div className="page">
      <PageHead title={t("notfound.title")} />
      <Empty title={t("notfound.sentence")} why={t("notfound.why")}>
        <Button component={Link} to="/">
          {t("notfound.next")}
        </Button>
      </Empty>
    </div>
  );
}
