/** Whether a package plainly gets the Node that it asks for, told without npm's parser of ranges, which takes its time to load. */
import type { PackageFacts } from "../store/UnpackedIndex.ts"

/** One part of a range that has no upper end: `>=18`, `>= 0.10.0`, `*`. */
const OPEN = /^\s*(?:\*|>=\s*v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?)\s*$/

const RELEASE = /^(\d+)\.(\d+)\.(\d+)/

const isAtLeast = (own: ReadonlyArray<number>, least: ReadonlyArray<number>): boolean => {
  for (const [at, number] of least.entries()) if (own[at] !== number) return (own[at] ?? 0) > number
  return true
}

/** `false` where it takes a closer look. */
export const isPlainlyFine = ({ engines }: PackageFacts, node: string = process.versions.node): boolean => {
  const wanted = engines?.["node"]
  if (wanted === undefined || wanted.trim() === "") return true
  const own = RELEASE.exec(node)?.slice(1).map(Number)
  if (own === undefined) return false
  return wanted.split("||").some((part) => {
    const found = OPEN.exec(part)
    return (
      found !== null &&
      isAtLeast(
        own,
        [found[1], found[2], found[3]].map((text) => Number(text ?? 0))
      )
    )
  })
}
