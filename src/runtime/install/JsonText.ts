/**
 * Changes single members of a JSON text and leaves every other byte as it is: what a person has laid out
 * in package.json stays as it was laid out. The text has been parsed before, so that it is JSON (RFC 8259);
 * of a key that is there twice the last one counts, as it does for `JSON.parse`.
 */

interface Member {
  readonly key: string
  readonly keyStart: number
  readonly valueStart: number
  readonly valueEnd: number
}

interface JsonObject {
  /** Of the opening and of the closing brace. */
  readonly open: number
  readonly close: number
  readonly members: ReadonlyArray<Member>
}

/** How the text is laid out, for what is added to it. */
interface Style {
  readonly indent: string
  readonly newline: string
}

const DEFAULT_INDENT = "  "

const isBlank = (char: string | undefined): boolean =>
  char === " " || char === "\n" || char === "\r" || char === "\t" || char === "\uFEFF"

const skipBlank = (text: string, at: number): number => {
  let next = at
  while (isBlank(text[next])) next++
  return next
}

/** Where the string that begins at `at` ends. */
const stringEnd = (text: string, at: number): number => {
  let next = at + 1
  while (next < text.length && text[next] !== '"') next += text[next] === "\\" ? 2 : 1
  return next + 1
}

/** Where the value that begins at `at` ends. */
const valueEnd = (text: string, at: number): number => {
  const first = text[at]
  if (first === '"') return stringEnd(text, at)
  let next = at
  if (first !== "{" && first !== "[") {
    while (next < text.length && !/[\s,\]}]/.test(text[next]!)) next++
    return next
  }
  let depth = 0
  do {
    const char = text[next]
    if (char === '"') {
      next = stringEnd(text, next)
      continue
    }
    if (char === "{" || char === "[") depth++
    if (char === "}" || char === "]") depth--
    next++
  } while (depth > 0 && next < text.length)
  return next
}

const parseKey = (text: string): string => {
  const key: unknown = JSON.parse(text)
  return String(key)
}

const objectAt = (text: string, at: number): JsonObject | undefined => {
  const open = skipBlank(text, at)
  if (text[open] !== "{") return undefined
  const members: Array<Member> = []
  let next = skipBlank(text, open + 1)
  while (next < text.length && text[next] !== "}") {
    const keyEnd = stringEnd(text, next)
    const valueStart = skipBlank(text, skipBlank(text, keyEnd) + 1)
    const end = valueEnd(text, valueStart)
    members.push({ key: parseKey(text.slice(next, keyEnd)), keyStart: next, valueStart, valueEnd: end })
    next = skipBlank(text, end)
    if (text[next] === ",") next = skipBlank(text, next + 1)
  }
  return { open, close: next, members }
}

const find = ({ members }: JsonObject, key: string): Member | undefined =>
  members.findLast((member) => member.key === key)

const styleOf = (text: string): Style => ({
  indent: /[{[][ \t]*\r?\n([ \t]+)/.exec(text)?.[1] ?? DEFAULT_INDENT,
  newline: text.includes("\r\n") ? "\r\n" : "\n"
})

/** Everything on one line: what is added goes there, too. An object without members tells nothing. */
const isInline = (text: string, { members, open }: JsonObject): boolean =>
  members.length > 0 && !text.slice(open, members[0]!.keyStart).includes("\n")

const formatted = (value: unknown, depth: number, inline: boolean, { indent, newline }: Style): string => {
  const lines = JSON.stringify(value, null, inline ? undefined : indent).split("\n")
  return lines.join(newline + indent.repeat(depth))
}

const insert = (text: string, object: JsonObject, depth: number, key: string, value: unknown, sorted: boolean) => {
  const style = styleOf(text)
  const { close, members, open } = object
  const inline = isInline(text, object)
  const margin = inline ? text.slice(open + 1, members[0]!.keyStart) : style.newline + style.indent.repeat(depth + 1)
  const colon = members.length > 0 && /^:\S/.test(text.slice(stringEnd(text, members[0]!.keyStart))) ? ":" : ": "
  const member = `${JSON.stringify(key)}${colon}${formatted(value, depth + 1, inline, style)}`
  if (members.length === 0) {
    const end = style.newline + style.indent.repeat(depth)
    return `${text.slice(0, open + 1)}${margin}${member}${end}${text.slice(close)}`
  }
  const after = sorted ? members.find((other) => other.key.localeCompare(key, "en") > 0) : undefined
  if (after !== undefined)
    return `${text.slice(0, after.keyStart)}${member},${spaceAfterComma(text, object)}${text.slice(after.keyStart)}`
  const last = members.at(-1)!
  return `${text.slice(0, last.valueEnd)},${spaceAfterComma(text, object)}${member}${text.slice(last.valueEnd)}`
}

/** What stands between a comma and the next member. */
const spaceAfterComma = (text: string, { members, open }: JsonObject): string => {
  const [first, second] = members
  if (second === undefined) {
    const space = text.slice(open + 1, first!.keyStart)
    return space.includes("\n") ? space : " "
  }
  return text.slice(text.indexOf(",", first!.valueEnd) + 1, second.keyStart)
}

const drop = (text: string, { close, members, open }: JsonObject, member: Member): string => {
  const at = members.indexOf(member)
  const next = members[at + 1]
  if (next !== undefined) return text.slice(0, member.keyStart) + text.slice(next.keyStart)
  const previous = members[at - 1]
  if (previous !== undefined) return text.slice(0, previous.valueEnd) + text.slice(member.valueEnd)
  return text.slice(0, open + 1) + text.slice(close)
}

const replace = (text: string, { valueEnd, valueStart }: Member, depth: number, value: unknown): string => {
  const inline = !text.slice(valueStart, valueEnd).includes("\n")
  return text.slice(0, valueStart) + formatted(value, depth, inline, styleOf(text)) + text.slice(valueEnd)
}

/** Whether members are kept in the order of their keys, as npm keeps dependencies. */
export interface Options {
  readonly sorted?: boolean
}

/** Sets `text[section][key]`; the section is made where it is missing or no object. */
export const set = (
  text: string,
  section: string,
  key: string,
  value: unknown,
  { sorted = false }: Options = {}
): string => {
  const root = objectAt(text, 0)
  if (root === undefined) return text
  const member = find(root, section)
  if (member === undefined) return insert(text, root, 0, section, { [key]: value }, false)
  const object = objectAt(text, member.valueStart)
  if (object === undefined) return replace(text, member, 1, { [key]: value })
  const known = find(object, key)
  return known === undefined ? insert(text, object, 1, key, value, sorted) : replace(text, known, 2, value)
}

/** Removes every `text[section][key]`, and the section with the last of its members. */
export const remove = (text: string, section: string, key: string): string => {
  let rest = text
  for (;;) {
    const root = objectAt(rest, 0)
    const member = root === undefined ? undefined : find(root, section)
    const object = member === undefined ? undefined : objectAt(rest, member.valueStart)
    const known = object === undefined ? undefined : find(object, key)
    if (known === undefined) return rest
    rest = object!.members.length === 1 ? drop(rest, root!, member!) : drop(rest, object!, known)
  }
}
