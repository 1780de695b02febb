/** Three bars that fall in line, the last one in the accent: the mark of the product. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="6" fill="light-dark(#14171a, #2a3138)" />
      <rect x="5" y="12" width="3.2" height="7" rx="1.2" fill="#fff" />
      <rect x="10.4" y="8.5" width="3.2" height="10.5" rx="1.2" fill="#fff" />
      <rect x="15.8" y="5" width="3.2" height="14" rx="1.2" fill="#ffb224" />
    </svg>
  );
}
