using FastExit.Serialization;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>Wire codes of network-requester.md §2.6.</summary>
public enum ExitPolicyAction : byte
{
    Accept = 0,
    Reject = 1,
    Accept6 = 2,
    Reject6 = 3,
}

/// <summary>One rule as a query answer carries it: <paramref name="Pattern"/> in canonical text (network-requester.md §5.2), ports inclusive.</summary>
public readonly record struct ExitPolicyEntry(ExitPolicyAction Action, string Pattern, ushort FirstPort, ushort LastPort);

/// <summary>View of one rule inside a message.</summary>
public readonly ref struct ExitPolicyEntryView
{
    public ExitPolicyAction Action { get; init; }

    public ReadOnlySpan<byte> Pattern { get; init; }

    public ushort FirstPort { get; init; }

    public ushort LastPort { get; init; }
}

/// <summary>
/// The rules of an ExitPolicy answer in wire order: count, then action | pattern | first port | last port each. Every rule was checked
/// when the response was read, so walking cannot fail.
/// </summary>
public readonly ref struct ExitPolicyRules
{
    private readonly ReadOnlySpan<byte> _rules;

    private ExitPolicyRules(int count, ReadOnlySpan<byte> rules)
    {
        Count = count;
        _rules = rules;
    }

    public int Count { get; }

    public Enumerator GetEnumerator() => new(_rules, Count);

    internal static bool TryRead(scoped ref BincodeReader reader, out ExitPolicyRules rules)
    {
        rules = default;
        // A rule takes four bytes at least: a count beyond that is a lie, found before it is walked.
        if (!reader.TryReadVarint(out ulong count) || count > (ulong)reader.Rest.Length / 4)
            return false;
        ReadOnlySpan<byte> start = reader.Rest;
        for (ulong i = 0; i < count; i++)
        {
            if (!TryReadEntry(ref reader, out _))
                return false;
        }

        rules = new ExitPolicyRules((int)count, start[..^reader.Rest.Length]);
        return true;
    }

    private static bool TryReadEntry(scoped ref BincodeReader reader, out ExitPolicyEntryView entry)
    {
        entry = default;
        if (!reader.TryReadVarint(out ulong action) || action > (ulong)ExitPolicyAction.Reject6
            || !reader.TryReadString(out ReadOnlySpan<byte> pattern)
            || !reader.TryReadUInt16(out ushort first) || !reader.TryReadUInt16(out ushort last))
        {
            return false;
        }

        entry = new ExitPolicyEntryView
        {
            Action = (ExitPolicyAction)action,
            Pattern = pattern,
            FirstPort = first,
            LastPort = last,
        };
        return true;
    }

    /// <summary>Walks the rules.</summary>
    public ref struct Enumerator
    {
        private BincodeReader _reader;
        private int _left;
        private ExitPolicyEntryView _current;

        internal Enumerator(ReadOnlySpan<byte> rules, int count)
        {
            _reader = new BincodeReader(rules);
            _left = count;
            _current = default;
        }

        public readonly ExitPolicyEntryView Current => _current;

        public bool MoveNext() => _left-- > 0 && TryReadEntry(ref _reader, out _current);
    }
}
