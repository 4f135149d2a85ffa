/**
 * What one resolution has asked so far: its looks, warnings, and how many look-ups were waited for one
 * after another. Belongs to one resolution and dies with it.
 */
import type { Look, Warning, WarningCode } from "./Evidence.ts"

/** A look whose round is not settled yet. */
export type Asked = Omit<Look, "round">

export class Inquiry {
  readonly looks: Array<Look> = []
  readonly warnings: Array<Warning> = []
  /** Look-ups one after another. */
  lookups = 0

  /** Things that were asked at the same time after everything before, and took `depth` look-ups one after another. */
  step(depth: number, asked: ReadonlyArray<Asked | undefined>): void {
    const round = this.lookups + 1
    for (const look of asked) if (look !== undefined) this.looks.push({ round, ...look })
    this.lookups += depth
  }

  /** Something that was asked in an earlier round and that nothing waited for. */
  aside(round: number, asked: Asked): void {
    this.looks.push({ round, ...asked })
  }

  warn(code: WarningCode, message: string): void {
    this.warnings.push({ code, message })
  }
}
