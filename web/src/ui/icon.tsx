// SPDX-License-Identifier: MIT
// The few icons that the console needs, drawn on a grid of 16.
const PATHS = {
  services: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01',
  flows: 'M2 5h10M9.5 2.5 12 5 9.5 7.5M14 11H4M6.5 8.5 4 11l2.5 2.5',
  sockets: 'M5 2v4M11 2v4M3.5 6h9v2a4.5 4.5 0 0 1-9 0zM8 12.5V15',
  traces: 'M4 3.5h.01M4 3.5c8 0 8 4.5 4 4.5s-4 4.5 4 4.5M12 12.5h.01',
  paths: 'M3 13a1.5 1.5 0 1 0 0-.01M13 3a1.5 1.5 0 1 0 0-.01M4.5 12 12 4.2',
  rules: 'M8 1.8 13 3.5v4c0 3.2-2 5.4-5 6.7-3-1.3-5-3.5-5-6.7v-4z',
  tokens:
    'M10.5 2a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM8 8l-5.500 5.500M5 11.500l1.500 1.500M10.5 5.500h.01',
  audit: 'M3.500 2h6l3 3v9h-9zM9.500 2v3h3M5.500 8h5M5.500 10.500h5',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1 1.5H3zM6.7 14.5h2.6',
  search: 'M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM10.6 10.6 14 14',
  user: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14.5c.5-3 2.7-4.5 5.5-4.500s5 1.5 5.5 4.5',
  menu: 'M2 4h12M2 8h12M2 12h12',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M4.5 2.5 13 8l-8.5 5.500z',
  edit: 'M3 13v-2.500L10.5 3 13 5.5 5.5 13z',
  trash: 'M3 4.500h10M6 4.500V2.500h4v2M4.5 4.500l.5 9h6l.5-9',
  plus: 'M8 3v10M3 8h10',
  back: 'M9.5 3 4.5 8l5 5',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="ps-icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

export function Logo() {
  return (
    <svg
      width="20"
      height="20"
      viewBox="0 0 16 16"
      fill="none"
      stroke="var(--ps-rx)"
      strokeWidth="2"
      aria-hidden="true"
    >
      <path d="M2 14V3h6.500a3.5 3.5 0 0 1 0 7H5" />
      <circle cx="12.5" cy="12.5" r="1" />
    </svg>
  )
}
