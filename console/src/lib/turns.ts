// Many calls, a few at a time.

/** So many at a time: a long selection should not crowd out what else the server does. */
const AT_ONCE = 4;

/** Runs `act` over all, a few at a time. The first refusal ends it, and what is done by then stays done. */
export async function inTurns<V>(all: V[], act: (value: V) => Promise<unknown>, most = AT_ONCE): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let value = rest.shift(); value !== undefined; value = rest.shift()) {
      try {
        await act(value);
      } catch (refusal) {
        rest.length = 0;
        throw refusal;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, worker));
}
