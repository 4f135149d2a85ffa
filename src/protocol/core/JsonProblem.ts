/** What keeps a text from being JSON, for people: where it breaks off, and nothing of what stands in it. */

/** V8 says it in brackets, and not for every mistake. */
const PLACE = /\(line (\d+) column (\d+)\)/

/** `undefined` for a text that is JSON. */
export const of = (text: string): string | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const words = error instanceof Error ? error.message : ""
    const [, line, column] = PLACE.exec(words) ?? []
    if (line !== undefined) return `it is not JSON (line ${line}, column ${column})`
    return words.includes("end of JSON") ? "it is not JSON: it ends early" : "it is not JSON"
  }
}
