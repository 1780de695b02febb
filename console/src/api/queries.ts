// How screens read: one hook per thing, with the keys that live.ts refreshes.
import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import * as api from "./client";
import type * as T from "./types";

export const PAGE = 200;

/** All that is loaded of a list so far, and how to load more. `key` is the first word that live.ts knows. */
export function useList<R>(key: string, resource: string, params: api.ListParams, enabled = true) {
  const query = useInfiniteQuery({
    queryKey: [key, resource, params],
    queryFn: ({ pageParam, signal }) => api.list<R>(resource, { limit: PAGE, ...params, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    enabled,
  });
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const total = query.data?.pages[0]?.total ?? null;
  return { query, items, total };
}

/** What a table needs to know of the reading of its rows. */
export type ListState = {
  isError: boolean;
  error: unknown;
  isLoading: boolean;
  isFetching: boolean;
  isFetchingNextPage: boolean;
  hasNextPage: boolean;
  dataUpdatedAt: number;
  refetch: () => unknown;
  fetchNextPage: () => unknown;
};
export type ListQuery<R> = { query: ListState; items: R[]; total: number | null };

/** The number of a filter's matches and nothing else. */
export function useCount(key: string, resource: string, params: api.ListParams, enabled = true) {
  return useQuery({
    queryKey: [key, resource, "count", params],
    queryFn: async ({ signal }) => (await api.list<unknown>(resource, { ...params, limit: 1 }, signal)).total,
    enabled,
  });
}

export const useMe = () =>
  useQuery({ queryKey: ["me"], queryFn: readMe, staleTime: Number.POSITIVE_INFINITY, retry: (n, e) => n < 2 && !isRefusal(e) });

const isRefusal = (error: unknown) => error instanceof api.ApiError && error.status >= 400 && error.status < 500;

async function readMe(): Promise<T.Me | null> {
  try {
    const me = await api.session.read();
    api.setCsrf(me.csrf);
    return me;
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Takes over the session that a sign-in gave. */
export function enter(client: QueryClient, me: T.Me): void {
  api.setCsrf(me.csrf);
  client.setQueryData(["me"], me);
}
export function leave(client: QueryClient): void {
  client.removeQueries({ predicate: (q) => q.queryKey[0] !== "me" });
  client.setQueryData(["me"], null);
}

const RANK: Record<T.Role, number> = { viewer: 0, operator: 1, admin: 2 };
/** Whether the person may do what this role may. Only hides what the server would refuse. */
export function useMay(role: T.Role): boolean {
  const me = useMe().data;
  return !!me && RANK[me.user.role] >= RANK[role];
}

export const useOverview = () =>
  useQuery({ queryKey: ["overview"], queryFn: api.overview, refetchInterval: 30_000, refetchIntervalInBackground: false });
export const useDevice = (id: string) => useQuery({ queryKey: ["device", id], queryFn: () => api.devices.read(id) });
export const useIdentity = (id: string) => useQuery({ queryKey: ["device", id, "identity"], queryFn: () => api.devices.identity(id) });
export const useDeviceChanges = (id: string, from: string, to: string | undefined, section: string | undefined) =>
  useQuery({
    queryKey: ["compare", id, from, to ?? "now", section ?? "*"],
    queryFn: () => api.devices.changes(id, { from, to, section }),
    enabled: from !== "",
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
export const useCandidate = (id: string, enabled = true) =>
  useQuery({ queryKey: ["duplicates", "one", id], queryFn: () => api.duplicates.read(id), enabled });
/** How many pairs wait for a person; `null` when that is not counted. */
export const useOpenDuplicates = () =>
  useQuery({
    queryKey: ["duplicates", "open"],
    queryFn: async ({ signal }) => (await api.list<unknown>("/duplicates", { state: "open", limit: 1 }, signal)).total,
    refetchInterval: 60_000,
    refetchIntervalInBackground: false,
    staleTime: 30_000,
    retry: false,
  });
/** What a merge, a split or their undoing makes old. */
export async function renewIdentity(client: QueryClient): Promise<void> {
  const old = new Set(["duplicates", "device", "devices", "agents", "overview", "changes", "history", "compare"]);
  await client.invalidateQueries({ predicate: (q) => old.has(String(q.queryKey[0])) });
}
export const useInventory = (id: string, section?: string) =>
  useQuery({
    queryKey: ["device", id, "inventory", section ?? "*"],
    queryFn: () => api.devices.inventory(id, section),
    placeholderData: keepPreviousData,
  });
export const useTask = (id: string, enabled = true) => useQuery({ queryKey: ["task", id], queryFn: () => api.tasks.read(id), enabled });
export const usePreview = (task: string) =>
  useQuery({ queryKey: ["preview", task], queryFn: () => api.tasks.preview(task), staleTime: 0, gcTime: 0 });
export const useReport = (id: string) => useQuery({ queryKey: ["report", id], queryFn: () => api.reports.read(id) });
export const useViews = () => useQuery({ queryKey: ["views"], queryFn: api.reports.views, staleTime: Number.POSITIVE_INFINITY });
export const useGroup = (id: string) => useQuery({ queryKey: ["group", id], queryFn: () => api.groups.read(id) });
export const useAhead = (task: string) => useQuery({ queryKey: ["schedule", task], queryFn: () => api.tasks.schedule(task) });
/** The next occurrences of what is being written; a fault of it is the error. */
export const useComing = (when: { schedule?: T.Schedule; window?: T.Window }, enabled: boolean) =>
  useQuery({
    queryKey: ["coming", when],
    queryFn: () => api.schedules.preview(when),
    placeholderData: keepPreviousData,
    retry: false,
    enabled,
  });
/** What the next run of a task that is being written would do; null where machines do nothing of it. */
export const useForecast = (doc: T.TaskDoc, enabled: boolean) =>
  useQuery({
    queryKey: ["forecast", doc],
    queryFn: () => api.tasks.forecast(doc),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    retry: false,
    enabled,
  });
export const useCalendar = (from: string, to: string) =>
  useQuery({
    queryKey: ["calendar", from, to],
    queryFn: () => api.schedules.calendar(from, to),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
    refetchIntervalInBackground: false,
  });
export const useRun = (id: string) => useQuery({ queryKey: ["run", id], queryFn: () => api.runs.read(id) });
/** What steps can do. It stays as it is as long as the server does. */
export const useActions = () =>
  useQuery({ queryKey: ["actions"], queryFn: async () => (await api.actions()).items, staleTime: Number.POSITIVE_INFINITY });
/** The pool of a run, looked at again while it goes on. */
export const useRunPool = (id: string, goes: boolean) =>
  useQuery({ queryKey: ["run", id, "pool"], queryFn: () => api.runs.pool(id), refetchInterval: goes ? 5_000 : false });
export const useAssignment = (id: string) => useQuery({ queryKey: ["assignment", id], queryFn: () => api.assignments.read(id) });
export const useWhy = (id: string) => useQuery({ queryKey: ["assignment", id, "why"], queryFn: () => api.assignments.why(id) });
export const useBrake = () => useQuery({ queryKey: ["brake"], queryFn: api.brake.read });
/** What an act on the queue or on the brake makes old. */
export async function renewWork(client: QueryClient): Promise<void> {
  const old = new Set(["queue", "overview", "runs", "run", "assignments", "assignment"]);
  await client.invalidateQueries({ predicate: (q) => old.has(String(q.queryKey[0])) });
}
export const useSettings = () => useQuery({ queryKey: ["settings"], queryFn: api.settings.read });

export function newClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: { staleTime: 5_000, refetchOnWindowFocus: true, retry: (n, e) => n < 1 && !isRefusal(e) },
    },
  });
  api.whenSignedOut(() => leave(client));
  return client;
}
