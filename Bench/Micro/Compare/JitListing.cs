using System.Text.RegularExpressions;

namespace FastExit.Bench.Micro.Compare;

/// <summary>Reads what the runtime's compiler writes under DOTNET_JitDisasm: listings of x86-64 methods in Intel's notation.</summary>
internal static partial class JitListing
{
    private const string Header = "; Assembly listing for method ";

    /// <summary>The innermost loops of every method in its last compilation, in the order of their first.</summary>
    public static IReadOnlyList<KernelLoop> Parse(IEnumerable<string> lines)
    {
        var methods = new Dictionary<string, Listing>();
        Listing? listing = null;
        foreach (string line in lines)
        {
            if (line.StartsWith(Header, StringComparison.Ordinal))
            {
                (string name, string tier) = Split(line[Header.Length..]);
                listing = new Listing(name, tier);
                // A later listing of a method takes the place of the one before.
                methods[name] = listing;
            }
            else
            {
                listing?.Add(line);
            }
        }

        return [.. methods.Values.SelectMany(method => method.Loops())];
    }

    // Name:Method(types):type (Tier1), with the tier's additions behind commas.
    private static (string Name, string Tier) Split(string text)
    {
        Match match = TierPattern().Match(text);
        string tier = match.Success ? match.Groups[1].Value : "";
        string name = match.Success ? text[..match.Index] : text;
        int arguments = name.IndexOf('(', Math.Max(0, name.IndexOf(':')));
        if (arguments >= 0)
            name = name[..arguments];
        return (NamespacePattern().Replace(name, ""), tier);
    }

    [GeneratedRegex(@"\s+\(([^()]*)\)\s*$")]
    private static partial Regex TierPattern();

    // Lower-case keywords do not occur in these: FastExit.Crypto.Lanes.LadderLanes`1[FastExit.Crypto.Lanes.FieldLanes256].
    [GeneratedRegex(@"\b(?:[A-Z_]\w*\.)+(?=[A-Z_])")]
    private static partial Regex NamespacePattern();

    [GeneratedRegex(@"\b[xyz]mm[0-9]")]
    private static partial Regex VectorPattern();

    private sealed class Listing(string name, string tier)
    {
        private readonly List<string> _instructions = [];
        private readonly Dictionary<string, int> _labels = [];
        private bool _framePointer;

        public void Add(string line)
        {
            if (line.StartsWith(';'))
            {
                _framePointer |= line.Contains("rbp based frame", StringComparison.Ordinal);
                return;
            }

            string text = line.Split(';', 2)[0].Trim();
            if (text.Length == 0)
                return;
            if (!char.IsWhiteSpace(line[0]))
            {
                if (text.EndsWith(':'))
                    _labels[text[..^1]] = _instructions.Count;
                return;
            }

            // What lies between methods and in them as data is no instruction.
            if (char.IsAsciiLetterLower(text[0]) && !text.StartsWith("align", StringComparison.Ordinal))
                _instructions.Add(text);
        }

        public IEnumerable<KernelLoop> Loops()
        {
            List<(int First, int Last)> loops = [.. _instructions.Select((text, i) => (First: Target(text), Last: i)).Where(l => l.First >= 0 && l.First <= l.Last)];
            // Loops that share their head are one.
            loops = [.. loops.GroupBy(l => l.First).Select(g => (g.Key, g.Max(l => l.Last)))];
            List<(int First, int Last)> innermost =
                [.. loops.Where(l => !loops.Exists(o => o != l && o.First >= l.First && o.Last <= l.Last))];
            if (innermost.Count == 0)
                return _instructions.Count == 0 ? [] : [Count(0, _instructions.Count - 1, isLoop: false)];
            return innermost.Select(l => Count(l.First, l.Last, isLoop: true));
        }

        // Of a jump, or -1.
        private int Target(string instruction)
        {
            if (instruction[0] != 'j')
                return -1;
            string label = instruction.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1];
            return _labels.GetValueOrDefault(label, -1);
        }

        private KernelLoop Count(int first, int last, bool isLoop)
        {
            List<string> body = _instructions.GetRange(first, last - first + 1);
            return new KernelLoop(
                name, tier, isLoop, body.Count,
                body.Count(text => text.Contains("mm", StringComparison.Ordinal) && VectorPattern().IsMatch(text)),
                body.Count(IsStackAccess),
                body.Count(text => text.StartsWith("call", StringComparison.Ordinal)));
        }

        private bool IsStackAccess(string instruction) =>
            !instruction.StartsWith("lea ", StringComparison.Ordinal)
            && (instruction.Contains("[rsp", StringComparison.Ordinal)
                || (_framePointer && instruction.Contains("[rbp", StringComparison.Ordinal)));
    }
}
