import { Fault } from "./Feedback";

/** What stands in a page's place when its code failed, also when its chunk is gone after an update of the server. */
export function Crash({ error }: { error: unknown }) {
  return (
    <div className="page">
      <Fault error={error} retry={() => location.reload()} />
    </div>
  );
}
