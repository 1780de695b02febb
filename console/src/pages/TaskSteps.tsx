// The steps of a task on a canvas of two lanes, and the form of the one that is chosen.
import { Button, NumberInput, SegmentedControl, Select, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Action, Step, TaskDoc } from "../api/types";
import { word } from "../i18n/say";
import { changed, errorChoice, freeId, helpedBy, laneOf, moved, without } from "../lib/steps";
import { isServers } from "../lib/taskdoc";
import { ActionFields } from "./TaskAction";
import { StepOutputs } from "./TaskOutputs";

type Props = { doc: TaskDoc; onChange: (doc: TaskDoc) => void };

/** What a step is delivered by: a task whose every step is the server's has no delivery. */
const delivered = (doc: TaskDoc): TaskDoc => (doc.steps.every(isServers) ? { ...doc, delivery: undefined } : doc);

export function StepFields({ doc, onChange }: Props) {
  const { t } = useTranslation();
  const [chosen, choose] = useState(0);
  const at = Math.min(chosen, doc.steps.length - 1);
  const step = doc.steps[at];
  const isJob = doc.steps.length > 1;
  const add = () => {
    const next: Step = { id: freeId(doc, "inventory"), action: { type: "inventory" }, timeout: "10m" };
    choose(doc.steps.length);
    onChange({ ...doc, steps: [...doc.steps, next] });
  };
  const move = (to: number) => {
    if (to < 0 || to >= doc.steps.length) return;
    choose(to);
    onChange(moved(doc, at, to));
  };
  return (
    <section className="form" style={{ gap: 10 }} aria-label={t("job.steps")}>
      {isJob && <ModeField doc={doc} onChange={onChange} />}
      {isJob && <Canvas doc={doc} chosen={at} choose={choose} move={move} />}
      {step && (
        <StepForm
          key={at}
          doc={doc}
          step={step}
          put={(next) => onChange(delivered(changed(doc, at, next)))}
          head={
            isJob && (
              <div className="row spread">
                <strong>{t("job.step_n", { n: at + 1, count: doc.steps.length })}</strong>
                <span className="row start">
                  <Button
                    size="compact-xs"
                    disabled={at === 0}
                    onClick={() => move(at - 1)}
                    leftSection={<IconArrowUp size={13} aria-hidden />}
                  >
                    {t("job.earlier")}
                  </Button>
                  <Button
                    size="compact-xs"
                    disabled={at === doc.steps.length - 1}
                    onClick={() => move(at + 1)}
                    leftSection={<IconArrowDown size={13} aria-hidden />}
                  >
                    {t("job.later")}
                  </Button>
                  <Button
                    size="compact-xs"
                    variant="outline"
                    color="red"
                    onClick={() => onChange(delivered(without(doc, at)))}
                    leftSection={<IconTrash size={13} aria-hidden />}
                  >
                    {t("job.remove")}
                  </Button>
                </span>
              </div>
            )
          }
        />
      )}
      <div>
        <Button size="compact-sm" onClick={add} leftSection={<IconPlus size={14} aria-hidden />}>
          {t("job.add")}
        </Button>
      </div>
    </section>
  );
}

function ModeField({ doc, onChange }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const mode = doc.mode ?? "client_job";
  return (
    <div>
      <p id={id} className="label">
        {t("job.mode")}
      </p>
      <SegmentedControl
        aria-labelledby={id}
        size="xs"
        value={mode}
        data={(["client_job", "server_job"] as const).map((value) => ({ value, label: t(`job.${value}`) }))}
        onChange={(value) => onChange({ ...doc, mode: value === "server_job" ? "server_job" : undefined })}
      />
      <p className="soft hint">{t(`job.${mode}_how`)}</p>
    </div>
  );
}

type CanvasProps = { doc: TaskDoc; chosen: number; choose: (at: number) => void; move: (to: number) => void };

/** Two lanes, one row a step; the barriers of a server job go across the lane of the machines. */
function Canvas({ doc, chosen, choose, move }: CanvasProps) {
  const { t } = useTranslation();
  const isLed = doc.mode === "server_job";
  const keys = (e: React.KeyboardEvent) => {
    const way = e.key === "ArrowUp" ? -1 : e.key === "ArrowDown" ? 1 : 0;
    if (!way) return;
    e.preventDefault();
    if (e.altKey) move(chosen + way);
    else choose(Math.max(0, Math.min(chosen + way, doc.steps.length - 1)));
  };
  return (
    <div className="canvas" data-led={isLed || undefined}>
      <div className="lane-head">{t("job.lane_server")}</div>
      <div className="lane-head">{t("job.lane_machines")}</div>
      <ol onKeyDown={keys} aria-label={t("job.steps")}>
        {doc.steps.map((step, i) => {
          const failing = helpedBy(doc, step.id);
          return (
            <li key={i} data-lane={laneOf(step)} data-helper={failing.length > 0 || undefined} style={{ gridRow: i + 1 }}>
              {step.when && <span className="branch">{t("job.if", { condition: step.when })}</span>}
              {failing.length > 0 && <span className="branch">{t("job.helps", { steps: failing.map((s) => s.id).join(", ") })}</span>}
              <button type="button" className="node" aria-pressed={i === chosen} onClick={() => choose(i)}>
                <span className="num soft">{i + 1}</span>
                <span className="words">
                  <strong>{step.id}</strong> <span className="soft">{word(t, "action", step.action.type)}</span>
                </span>
              </button>
              <After step={step} />
              {isLed && laneOf(step) === "machines" && <Barrier step={step} />}
            </li>
          );
        })}
      </ol>
      <p className="soft hint">{t("job.keys")}</p>
    </div>
  );
}

/** What follows when it ends badly, where that is said. */
function After({ step }: { step: Step }) {
  const { t } = useTranslation();
  if (step.on_error === undefined || step.on_error === "fail") return null;
  const text = step.on_error === "continue" ? t("job.goes_on") : t("job.jumps", { step: step.on_error.run, count: step.on_error.max ?? 3 });
  return <span className="branch bad">{text}</span>;
}

function Barrier({ step }: { step: Step }) {
  const { t } = useTranslation();
  const { quorum, deadline } = step.barrier ?? {};
  const text = [quorum && t("job.quorum_of", { share: quorum }), deadline && t("job.at_most", { span: deadline })].filter(Boolean);
  return <span className="barrier">{text.length > 0 ? text.join(" · ") : t("job.waits_all")}</span>;
}

type StepFormProps = { doc: TaskDoc; step: Step; put: (step: Step) => void; head: React.ReactNode };

function StepForm({ doc, step, put, head }: StepFormProps) {
  const { t } = useTranslation();
  const isJob = doc.steps.length > 1;
  const turn = (action: Action) => {
    const isSame = action.type === step.action.type;
    const named = step.id === step.action.type || step.id.startsWith(`${step.action.type}_`);
    const id = isSame || !named ? step.id : freeId(doc, action.type);
    put({ ...step, id, scope: isSame ? step.scope : undefined, action });
  };
  return (
    <div className={isJob ? "form step-form" : "form"}>
      {head}
      {isJob && <TextInput label={t("job.id")} value={step.id} onChange={(e) => put({ ...step, id: e.currentTarget.value })} required />}
      <ActionFields action={step.action} onChange={turn} />
      {BOTH_SIDES.includes(step.action.type) && <SideField step={step} onChange={put} />}
      {step.action.type !== "call_web_service" && (
        <TextInput
          label={t("task.timeout")}
          placeholder="10m"
          value={step.timeout ?? ""}
          onChange={(e) => put({ ...step, timeout: e.currentTarget.value })}
        />
      )}
      {isJob && <FlowFields doc={doc} step={step} put={put} />}
    </div>
  );
}

function FlowFields({ doc, step, put }: Omit<StepFormProps, "head">) {
  const { t } = useTranslation();
  const isHelper = helpedBy(doc, step.id).length > 0;
  const others = doc.steps.filter((s) => s.id !== step.id && !s.when && s.on_error === undefined);
  const jump = typeof step.on_error === "object" ? step.on_error : null;
  const turn = (choice: string | null) => {
    if (choice === "retry") put({ ...step, on_error: { run: others[0]?.id ?? "", max: 3 } });
    else put({ ...step, on_error: choice === "fail" || choice === "continue" ? choice : undefined });
  };
  return (
    <>
      {!isHelper && (
        <TextInput
          label={t("job.when")}
          description={t("job.when_how")}
          placeholder="steps.check.exit_code == 0"
          value={step.when ?? ""}
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
          onChange={(e) => put({ ...step, when: e.currentTarget.value || undefined })}
        />
      )}
      {!isHelper && (
        <div className="pair">
          <Select
            label={t("job.on_error")}
            value={errorChoice(step.on_error)}
            data={(["", "fail", "continue", "retry"] as const).map((value) => ({ value, label: t(`job.error_${value || "own"}`) }))}
            allowDeselect={false}
            onChange={turn}
          />
          {jump && (
            <Select
              label={t("job.helper")}
              value={jump.run}
              data={others.map((s) => s.id)}
              onChange={(run) => run && put({ ...step, on_error: { ...jump, run } })}
            />
          )}
          {jump && (
            <NumberInput
              label={t("job.times")}
              min={1}
              max={20}
              value={jump.max ?? 3}
              onChange={(max) => put({ ...step, on_error: { ...jump, max: typeof max === "number" ? max : 3 } })}
            />
          )}
        </div>
      )}
      <StepOutputs outputs={step.outputs ?? {}} onChange={(outputs) => put({ ...step, outputs })} />
      {doc.mode === "server_job" && !isServers(step) && !isHelper && <BarrierFields step={step} put={put} />}
    </>
  );
}

function BarrierFields({ step, put }: { step: Step; put: (step: Step) => void }) {
  const { t } = useTranslation();
  const barrier = step.barrier ?? {};
  const set = (patch: Partial<NonNullable<Step["barrier"]>>) => {
    const next = { ...barrier, ...patch };
    put({ ...step, barrier: next.quorum || next.deadline ? next : undefined });
  };
  return (
    <div className="pair">
      <TextInput
        label={t("job.quorum")}
        description={t("job.quorum_how")}
        placeholder="90%"
        value={barrier.quorum ?? ""}
        onChange={(e) => set({ quorum: e.currentTarget.value || undefined })}
      />
      <TextInput
        label={t("job.deadline")}
        description={t("job.deadline_how")}
        placeholder="2h"
        value={barrier.deadline ?? ""}
        onChange={(e) => set({ deadline: e.currentTarget.value || undefined })}
      />
      {step.barrier && (
        <Select
          label={t("job.stragglers")}
          value={barrier.stragglers ?? "drop"}
          data={(["drop", "keep"] as const).map((value) => ({ value, label: t(`job.stragglers_${value}`) }))}
          allowDeselect={false}
          onChange={(value) => set({ stragglers: value === "keep" ? "keep" : undefined })}
        />
      )}
    </div>
  );
}

/** Who calls a web service: the server once, or each machine. */
/** What is done by the machines or by the server, as a step says. */
const BOTH_SIDES = ["call_web_service", "run_script"];

function SideField({ step, onChange }: { step: Step; onChange: (step: Step) => void }) {
  const { t } = useTranslation();
  const id = useId();
  const isCall = step.action.type === "call_web_service";
  const otherwise = isCall ? "server" : "client";
  return (
    <div>
      <p id={id} className="label">
        {t(isCall ? "step.side" : "step.side_script")}
      </p>
      <SegmentedControl
        aria-labelledby={id}
        size="xs"
        value={step.scope ?? otherwise}
        data={(["server", "client"] as const).map((side) => ({ value: side, label: t(`step.side_${side}`) }))}
        onChange={(scope) => onChange({ ...step, scope: scope === otherwise ? undefined : (scope as "client" | "server") })}
      />
      {!isCall && step.scope === "server" && <p className="soft hint">{t("step.sandbox")}</p>}
    </div>
  );
}
