/** `ls-cli yank <name@version> [--undo]`: nobody is given the version by range any more. */
import * as Retract from "../../protocol/registry/Retract.ts"
import * as Retraction from "./Retraction.ts"

export const run = (versionText: string, flags: Retraction.Flags) =>
  Retraction.run(versionText, flags, {
    doing: (label) => (flags.undo ? `Offering ${label} again` : `Yanking ${label}`),
    retract: Retract.yank,
    document: { yanked: !flags.undo },
    told: (label) =>
      flags.undo
        ? `${label} is chosen by range again`
        : `${label} is not chosen by range any more; by its exact number it is still to be had`
  })
