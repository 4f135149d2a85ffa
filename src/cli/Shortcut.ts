/** What needs no program: an install that has nothing to do, and a question that a daemon answers. */
import * as Courier from "./Courier.ts"
import * as UpToDate from "./UpToDate.ts"

/** Whether the command is done; if not it is still to be run. What goes wrong here is the program's to tell. */
export const take = async (argv: ReadonlyArray<string>): Promise<boolean> => {
  try {
    return UpToDate.tell(argv) || (await Courier.deliver(argv))
  } catch {
    return false
  }
}
