using FastExit.Memory;

namespace FastExit.NetworkRequester;

/// <summary>What <see cref="OrderedBuffer.Write"/> did.</summary>
internal enum OrderedStatus : byte
{
    /// <summary>Kept behind a gap.</summary>
    Stored,

    /// <summary>The next one in order: <see cref="OrderedBuffer.Next"/> moved.</summary>
    Advanced,

    /// <summary>Already here, waiting behind a gap.</summary>
    Duplicate,

    /// <summary>Delivered before.</summary>
    Old,

    /// <summary>Behind the sequence number that closes the stream.</summary>
    AfterClose,

    /// <summary>More than <see cref="OrderedBuffer.Window"/> ahead.</summary>
    BeyondWindow,

    /// <summary>The byte limit is reached, or the pool has no node left.</summary>
    Overflow,
}

/// <summary>
/// One direction's messages of a connection, put in order by sequence number (network-requester.md §3): accepted up to
/// <see cref="Next"/> + <see cref="Window"/>. Nodes hang in sequence order; those below <see cref="Next"/> are ready to be taken
/// from the front, the others wait behind a gap. A message costs its payload, and a regular slot at least, so that small messages
/// cannot hold more memory than they are charged for. A struct over a <see cref="NodePool"/>: a connection without data holds none.
/// </summary>
internal struct OrderedBuffer
{
    public const ulong Window = 1000;

    private int _first;
    private int _last;
    private ulong _closing;

    /// <summary>The sequence number that would advance the stream.</summary>
    public ulong Next { get; private set; }

    /// <summary>Bytes charged for everything held.</summary>
    public int ChargedBytes { get; private set; }

    /// <summary>Nodes held, ready ones included.</summary>
    public int Count { get; private set; }

    /// <summary>Nodes that wait behind a gap.</summary>
    public int Waiting { get; private set; }

    /// <summary>The closing message was reached in order; nothing more is accepted.</summary>
    public bool Closed { get; private set; }

    /// <summary>The closing message came, perhaps behind a gap.</summary>
    public readonly bool ClosingSeen => Closed || _closing != ulong.MaxValue;

    public static OrderedBuffer Create() => new()
    {
        _first = NodePool.None,
        _last = NodePool.None,
        _closing = ulong.MaxValue,
    };

    public static int Charge(int bytes) => bytes == 0 ? 0 : Math.Max(bytes, SlotPool.RegularBytes);

    /// <summary>First node, ready or not, or <see cref="NodePool.None"/>; the others hang behind it.</summary>
    public readonly int FirstHeld => _first;

    /// <summary>First ready node, or <see cref="NodePool.None"/>.</summary>
    public readonly int FirstReady(NodePool nodes) => IsReady(nodes, _first) ? _first : NodePool.None;

    /// <summary>The ready node behind another one, or <see cref="NodePool.None"/>.</summary>
    public readonly int NextReady(NodePool nodes, int node)
    {
        int next = nodes[node].Next;
        return IsReady(nodes, next) ? next : NodePool.None;
    }

    /// <summary>
    /// Takes one message. The slot is taken over when <paramref name="slotTaken"/> says so, which needs a payload: empty messages
    /// (keepalives, closes) hold no slot, and in order not even a node.
    /// </summary>
    public OrderedStatus Write(
        NodePool nodes, ulong sequence, SlotHandle slot, int offset, int bytes, bool closed, int limitBytes, out bool slotTaken)
    {
        slotTaken = false;
        if (Closed || sequence > _closing)
            return OrderedStatus.AfterClose;
        if (sequence < Next)
            return OrderedStatus.Old;
        if (sequence - Next > Window)
            return OrderedStatus.BeyondWindow;

        // Most messages come in order or nearly so: the place is found from the end.
        int before = _last;
        while (before != NodePool.None && nodes[before].Sequence > sequence)
            before = nodes[before].Previous;
        if (before != NodePool.None && nodes[before].Sequence == sequence)
            return OrderedStatus.Duplicate;

        bool inOrder = sequence == Next;
        int after = before == NodePool.None ? _first : nodes[before].Next;
        if (bytes > 0 || !inOrder)
        {
            int charge = Charge(bytes);
            if (charge > limitBytes - ChargedBytes || (!inOrder && nodes.IsShort) || !nodes.TryRent(out int node))
                return OrderedStatus.Overflow;
            nodes[node] = new BufferNode
            {
                Sequence = sequence,
                Slot = bytes > 0 ? slot : SlotHandle.None,
                Offset = offset,
                Bytes = bytes,
                Closed = closed,
            };
            Link(nodes, node, before, after);
            ChargedBytes += charge;
            slotTaken = bytes > 0;
            if (!inOrder)
            {
                Waiting++;
                if (closed)
                    _closing = sequence;
                return OrderedStatus.Stored;
            }
        }

        Next++;
        if (closed)
            Closed = true;
        else
            Advance(nodes, after);
        return OrderedStatus.Advanced;
    }

    /// <summary>Unlinks the first node; the caller has taken or freed its slot.</summary>
    public void RemoveFirst(NodePool nodes)
    {
        int node = _first;
        ref BufferNode removed = ref nodes[node];
        ChargedBytes -= Charge(removed.Bytes);
        if (removed.Sequence >= Next)
            Waiting--;
        _first = removed.Next;
        if (_first == NodePool.None)
            _last = NodePool.None;
        else
            nodes[_first].Previous = NodePool.None;
        Count--;
        nodes.Return(node);
    }

    /// <summary>Part of the first ready node was sent: what is left of it stays first.</summary>
    public void Consume(NodePool nodes, int bytes)
    {
        ref BufferNode node = ref nodes[_first];
        ChargedBytes -= Charge(node.Bytes);
        node.Offset += bytes;
        node.Bytes -= bytes;
        ChargedBytes += Charge(node.Bytes);
    }

    /// <summary>
    /// Slots that can be freed now: after a close the messages behind it, or with <paramref name="everything"/> all. Call until false.
    /// </summary>
    public bool TryDiscard(NodePool nodes, bool everything, out SlotHandle slot)
    {
        slot = SlotHandle.None;
        if (everything)
        {
            if (_first == NodePool.None)
                return false;
            slot = nodes[_first].Slot;
            RemoveFirst(nodes);
            return true;
        }

        if (!Closed || _last == NodePool.None || nodes[_last].Sequence < Next)
            return false;
        int node = _last;
        ref BufferNode removed = ref nodes[node];
        slot = removed.Slot;
        ChargedBytes -= Charge(removed.Bytes);
        Waiting--;
        _last = removed.Previous;
        if (_last == NodePool.None)
            _first = NodePool.None;
        else
            nodes[_last].Next = NodePool.None;
        Count--;
        nodes.Return(node);
        return true;
    }

    private readonly bool IsReady(NodePool nodes, int node) => node != NodePool.None && nodes[node].Sequence < Next;

    private void Link(NodePool nodes, int node, int before, int after)
    {
        ref BufferNode linked = ref nodes[node];
        linked.Previous = before;
        linked.Next = after;
        if (before == NodePool.None)
            _first = node;
        else
            nodes[before].Next = node;
        if (after == NodePool.None)
            _last = node;
        else
            nodes[after].Previous = node;
        Count++;
    }

    // The message that was missing came: those behind it are in order now, up to the next gap or the close.
    private void Advance(NodePool nodes, int node)
    {
        while (node != NodePool.None && nodes[node].Sequence == Next)
        {
            int next = nodes[node].Next;
            bool closed = nodes[node].Closed;
            Next++;
            Waiting--;
            if (nodes[node].Bytes == 0)
                Unlink(nodes, node);
            if (closed)
            {
                Closed = true;
                return;
            }

            node = next;
        }
    }

    private void Unlink(NodePool nodes, int node)
    {
        ref BufferNode removed = ref nodes[node];
        if (removed.Previous == NodePool.None)
            _first = removed.Next;
        else
            nodes[removed.Previous].Next = removed.Next;
        if (removed.Next == NodePool.None)
            _last = removed.Previous;
        else
            nodes[removed.Next].Previous = removed.Previous;
        Count--;
        nodes.Return(node);
    }
}
