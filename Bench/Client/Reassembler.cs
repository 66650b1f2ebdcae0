using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Client;

internal enum FragmentOutcome : byte
{
    /// <summary>Kept; the set is not complete yet.</summary>
    Waiting,

    /// <summary>The message is complete and padded as it was sent.</summary>
    Complete,

    /// <summary>The set was completed before.</summary>
    Late,
    Malformed,
}

/// <summary>
/// Puts the fragments of messages together (end-to-end.md §3.5), one set per message: 255 fragments, 409,020 bytes. A longer chain of
/// sets is refused, as no answer to this client is that long. Bounded in bytes, sets and age; the oldest set makes room.
/// </summary>
internal sealed class Reassembler(long maximumBytes)
{
    private const int MaximumSets = 1024;
    private const int RememberedSets = 8192;
    private const long SetAgeMilliseconds = 120_000;
    private readonly Dictionary<uint, FragmentSet> _sets = [];
    private readonly HashSet<uint> _completed = [];
    private readonly Queue<uint> _completedOrder = new();
    private long _bytes;

    public int Sets => _sets.Count;

    /// <param name="fragment">Header and slice, whole.</param>
    /// <param name="message">When complete: the message with its padding; may be a view of <paramref name="fragment"/>.</param>
    public FragmentOutcome Add(ReadOnlySpan<byte> fragment, long now, out ReadOnlySpan<byte> message)
    {
        message = default;
        if (!FragmentHeader.TryRead(fragment, out FragmentHeader header) || header.Link != SetLink.None)
            return FragmentOutcome.Malformed;
        if (_completed.Contains(header.SetId))
            return FragmentOutcome.Late;
        ReadOnlySpan<byte> slice = fragment[header.HeaderBytes..];
        if (header.Total == 1)
        {
            Remember(header.SetId);
            message = slice;
            return FragmentOutcome.Complete;
        }

        if (!_sets.TryGetValue(header.SetId, out FragmentSet? set))
        {
            MakeRoom(header.Total * slice.Length, now);
            set = new FragmentSet(header.Total, slice.Length);
            _sets.Add(header.SetId, set);
            _bytes += set.Bytes;
        }

        if (set.Total != header.Total || set.SliceBytes != slice.Length)
            return FragmentOutcome.Malformed;
        set.LastArrival = now;
        if (!set.Store(header.Position, slice))
            return FragmentOutcome.Waiting;
        Remove(header.SetId, set);
        Remember(header.SetId);
        message = set.Message;
        return FragmentOutcome.Complete;
    }

    public void Clear()
    {
        _sets.Clear();
        _bytes = 0;
    }

    private void MakeRoom(int bytes, long now)
    {
        while (_sets.Count > 0)
        {
            KeyValuePair<uint, FragmentSet> oldest = default;
            foreach (KeyValuePair<uint, FragmentSet> candidate in _sets)
            {
                if (oldest.Value is null || candidate.Value.LastArrival < oldest.Value.LastArrival)
                    oldest = candidate;
            }

            bool full = _sets.Count >= MaximumSets || _bytes + bytes > maximumBytes;
            if (!full && now - oldest.Value!.LastArrival <= SetAgeMilliseconds)
                return;
            Remove(oldest.Key, oldest.Value!);
        }
    }

    private void Remove(uint id, FragmentSet set)
    {
        _sets.Remove(id);
        _bytes -= set.Bytes;
    }

    private void Remember(uint id)
    {
        if (_completed.Add(id))
            _completedOrder.Enqueue(id);
        if (_completedOrder.Count > RememberedSets)
            _completed.Remove(_completedOrder.Dequeue());
    }

    private sealed class FragmentSet(byte total, int sliceBytes)
    {
        private readonly byte[] _message = new byte[total * sliceBytes];
        private readonly bool[] _present = new bool[total];
        private int _missing = total;

        public byte Total => total;

        public int SliceBytes => sliceBytes;

        public int Bytes => _message.Length;

        public long LastArrival { get; set; }

        public ReadOnlySpan<byte> Message => _message;

        /// <returns>True when this was the last one missing.</returns>
        public bool Store(byte position, ReadOnlySpan<byte> slice)
        {
            if (_present[position - 1])
                return false;
            _present[position - 1] = true;
            slice.CopyTo(_message.AsSpan((position - 1) * sliceBytes));
            return --_missing == 0;
        }
    }
}
