// The screens of the navigation, in order, with the key that goes there after 'g'.
import {
  IconActivityHeartbeat,
  IconAdjustmentsHorizontal,
  IconCalendarTime,
  IconDeviceDesktop,
  IconListCheck,
  IconPlayerPlay,
  IconStack2,
  IconTopologyStar3,
} from "@tabler/icons-react";

export const SCREENS = [
  { to: "/", key: "n", name: "now", icon: IconActivityHeartbeat },
  { to: "/queue", key: "q", name: "queue", icon: IconStack2 },
  { to: "/tasks", key: "t", name: "tasks", icon: IconListCheck },
  { to: "/calendar", key: "c", name: "calendar", icon: IconCalendarTime },
  { to: "/runs", key: "r", name: "runs", icon: IconPlayerPlay },
  { to: "/machines", key: "m", name: "machines", icon: IconDeviceDesktop },
  { to: "/fleet", key: "h", name: "fleet", icon: IconTopologyStar3 },
  { to: "/settings", key: "s", name: "settings", icon: IconAdjustmentsHorizontal },
] as const;

export type Screen = (typeof SCREENS)[number];
