/**
 * Words and numbers of the trace page. Everything in a trace may come from a hostile network: names,
 * titles, error sentences. Nothing of it reaches the page but through `html` or `json`.
 *
 * Characters that cannot be seen, or that turn the direction of reading, are shown by their numbers.
 */

/** Characters of one text that a page shows. */
export const TEXT_MAX = 300

const PRINTABLE_ASCII = /^[\u0020-\u007e]*$/

/** Format characters and blanks, first and last of each run; by number, as the category of them grows with Unicode. */
const FORMATS: ReadonlyArray<readonly [number, number]> = [
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff]
]

const rangeOf = ([first, last]: readonly [number, number]): string =>
  `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`

/** With them controls, lone surrogates and line separators: categories that never change. */
const UNSEEN = new RegExp(`[\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}${FORMATS.map(rangeOf).join("")}]`, "gu")

const numbered = (character: string): string => `⟨U+${hexOf(character.codePointAt(0) ?? 0)}⟩`

const hexOf = (code: number): string => code.toString(16).toUpperCase().padStart(4, "0")

const HIGH_SURROGATE = /[\ud800-\udbff]$/

const cut = (text: string, max: number): string =>
  text.length > max ? `${text.slice(0, max).replace(HIGH_SURROGATE, "")}…` : text

/** The text with nothing hidden in it, of `max` UTF-16 units at most and a sign for what is cut. */
export const visible = (text: string, max = TEXT_MAX): string => {
  const short = cut(text, max)
  return PRINTABLE_ASCII.test(short) ? short : cut(short.replace(UNSEEN, numbered), max + 1)
}

const ENTITIES: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** For the inside of an element or of a quoted attribute. */
export const html = (text: string, max = TEXT_MAX): string =>
  visible(text, max).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "")

/** For the inside of a `script` element that is data. Texts in it are to be `visible` already. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&]/g, (character) => `\\u${hexOf(character.charCodeAt(0))}`)

/** `12,345`. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",")

/** `1 line`, `12,345 lines`. */
export const countOf = (value: number, what: string): string => `${count(value)} ${what}${value === 1 ? "" : "s"}`

/** A figure with at most three decimals. */
export const figure = (value: number): string => {
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? count(value) : String(value)
  return Number.isFinite(value) && Math.abs(value) < 1e15 ? String(Number(value.toFixed(3))) : String(value)
}

const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 }
] as const

/** `350 ms`, `2.3 s`, `4 min 10 s`, `1 d 2 h`: the two largest units. */
export const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`
  const seconds = Math.round(ms / 1_000)
  const parts = UNITS.map(({ ms, name }, index) => {
    const above = UNITS[index - 1]
    const rest = above === undefined ? seconds : seconds % (above.ms / 1_000)
    return { name, value: Math.floor(rest / (ms / 1_000)) }
  })
  const all = [...parts, { name: "s", value: seconds % 60 }]
  const first = all.findIndex(({ value }) => value > 0)
  return all
    .slice(first, first + 2)
    .filter(({ value }) => value > 0)
    .map(({ name, value }) => `${value} ${name}`)
    .join(" ")
}

/** Where a time is between the beginning of the run and its end, for an SVG that is as wide as its place: `12.345%`. */
export const percent = (atMs: number, wholeMs: number): string =>
  `${Number(((100 * Math.min(Math.max(atMs, 0), wholeMs)) / Math.max(1, wholeMs)).toFixed(3))}%`

const encoder = new TextEncoder()

/** Bytes of a text in UTF-8. */
export const bytesOf = (text: string): number => encoder.encode(text).length
