/** `ls-cli deprecate <name@version> [--undo]`: its users are told to take another version. */
import * as Retract from "../../protocol/registry/Retract.ts"
import * as Retraction from "./Retraction.ts"

export const run = (versionText: string, flags: Retraction.Flags) =>
  Retraction.run(versionText, flags, {
    doing: (label) => (flags.undo ? `Recommending ${label} again` : `Deprecating ${label}`),
    retract: Retract.deprecate,
    document: { deprecated: !flags.undo },
    told: (label) => (flags.undo ? `${label} is not deprecated any more` : `${label} is deprecated`)
  })
