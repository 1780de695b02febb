// Who stands at the door: signed in, to be signed in, or to choose a new password first.
import { useQueryClient } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useLive } from "../api/live";
import { useMe } from "../api/queries";
import { NewPassword } from "../pages/NewPassword";
import { SignIn } from "../pages/SignIn";
import { Fault } from "../parts/Feedback";
import { router } from "../router";

export function Gate() {
  const me = useMe();
  const client = useQueryClient();
  useLive(client, !!me.data && !me.data.must_change_password);
  if (me.isPending) return null;
  if (me.isError) {
    return (
      <main className="door">
        <Fault error={me.error} retry={() => me.refetch()} />
      </main>
    );
  }
  if (!me.data) return <SignIn />;
  if (me.data.must_change_password) return <NewPassword />;
  return <RouterProvider router={router} />;
}
