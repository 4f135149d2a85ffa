/**
 * Names from an archive are hostile text: they may clear a terminal, forge a line of its output or
 * write it backwards. Every message that quotes one passes it through here first.
 */

/** Longer quotations are cut; a message stays on a screen however long the name is. */
const MAX_QUOTED_CHARS = 160

/** Controls, formats, surrogates, private use, unassigned, line and paragraph separators. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

/** The text in double quotes, without any character that a terminal would act on, cut at 160 characters. */
export const quoted = (text: string): string => {
  const chars = Array.from(text.slice(0, 2 * MAX_QUOTED_CHARS))
  const cut = chars.length > MAX_QUOTED_CHARS
  const shown = (cut ? chars.slice(0, MAX_QUOTED_CHARS) : chars).join("")
  return `"${shown.replace(UNPRINTABLE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)}${cut ? "…" : ""}"`
}

/** The text as one line without any character that a terminal would act on; each of them becomes U+FFFD. */
export const plain = (text: string): string => text.replace(UNPRINTABLE, "\u{FFFD}")
