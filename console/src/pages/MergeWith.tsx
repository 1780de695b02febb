import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import type { DeviceDetail, DeviceRef } from "../api/types";
import { DevicePicker } from "../parts/DevicePicker";
import { FormDialog } from "../parts/FormDialog";

type Props = { d: DeviceDetail; onChosen: (other: DeviceRef) => void; onClose: () => void };

/** The other machine of a merge that nobody proposed. */
export function MergeWith({ d, onChosen, onClose }: Props) {
  const { t } = useTranslation();
  const [ids, setIds] = useState<string[]>([]);
  const other = ids.findLast((id) => id !== d.id);
  const act = async () => {
    if (other) onChosen(await devices.read(other));
  };
  return (
    <FormDialog title={t("identity.merge_with")} verb={t("merge.preview")} ready={!!other} act={act} onClose={onClose}>
      <p>{t("merge.choose", { name: d.name })}</p>
      <DevicePicker ids={other ? [other] : []} onChange={setIds} />
    </FormDialog>
  );
}
