package interop;

import java.util.concurrent.ConcurrentHashMap;

/** How often something was tried in this process, by what and for whom. */
final class Tries {
  private static final ConcurrentHashMap<String, Integer> COUNTS = new ConcurrentHashMap<>();

  static int count(String what, String name) {
    return COUNTS.merge(what + " " + name, 1, Integer::sum);
  }
}
