/** Text in UTF-8, one spelling each way: what is not well-formed is no text, and a byte order mark is kept. */
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The bytes of `text`; lone surrogates become U+FFFD. */
export const encode = (text: string): Uint8Array => encoder.encode(text)

/** The text that `bytes` spell; `undefined` when they are not well-formed. */
export const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
