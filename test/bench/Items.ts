/** What 10,000 items that a node holds for others take: memory, and the time to write and to read them back. */
import { execFileSync } from "node:child_process"
import { join } from "node:path"

export const items = (): unknown => {
  const program = join(import.meta.dirname, "ItemMemory.ts")
  return JSON.parse(execFileSync(process.execPath, ["--expose-gc", program], { encoding: "utf8" }))
}
