using FastExit.Memory;

namespace FastExit.NetworkRequester;

/// <summary>One held message, or one packet on its way to the client: 40 bytes.</summary>
internal struct BufferNode
{
    public ulong Sequence;
    public SlotHandle Slot;

    /// <summary>Of the payload, in the slot.</summary>
    public int Offset;
    public int Bytes;
    public int Next;
    public int Previous;
    public bool Closed;
}

/// <summary>A shard's nodes, allocated once; links are indexes.</summary>
internal sealed class NodePool
{
    public const int None = -1;

    private readonly BufferNode[] _nodes;
    private int _free;

    public NodePool(int nodes)
    {
        _nodes = new BufferNode[nodes];
        for (int i = 0; i < nodes; i++)
            _nodes[i].Next = i + 1 < nodes ? i + 1 : None;
        _free = nodes > 0 ? 0 : None;
    }

    public int InUse { get; private set; }

    /// <summary>The last quarter is kept for what is in order: streams with gaps must not stop those without.</summary>
    public bool IsShort => InUse >= _nodes.Length - (_nodes.Length / 4);

    public ref BufferNode this[int node] => ref _nodes[node];

    public bool TryRent(out int node)
    {
        node = _free;
        if (node == None)
            return false;
        _free = _nodes[node].Next;
        InUse++;
        return true;
    }

    public void Return(int node)
    {
        _nodes[node] = default;
        _nodes[node].Next = _free;
        _free = node;
        InUse--;
    }
}

/// <summary>Packets from the destination that wait for credit, in the order they came; nodes of the shard's pool.</summary>
internal struct PacketQueue
{
    private int _first;
    private int _last;

    public int Count { get; private set; }

    public static PacketQueue Create() => new() { _first = NodePool.None, _last = NodePool.None };

    public bool TryAdd(NodePool nodes, SlotHandle slot, int bytes)
    {
        if (!nodes.TryRent(out int node))
            return false;
        nodes[node] = new BufferNode { Slot = slot, Bytes = bytes, Next = NodePool.None };
        if (_last == NodePool.None)
            _first = node;
        else
            nodes[_last].Next = node;
        _last = node;
        Count++;
        return true;
    }

    public bool TryTake(NodePool nodes, out SlotHandle slot, out int bytes)
    {
        slot = SlotHandle.None;
        bytes = 0;
        if (_first == NodePool.None)
            return false;
        int node = _first;
        slot = nodes[node].Slot;
        bytes = nodes[node].Bytes;
        _first = nodes[node].Next;
        if (_first == NodePool.None)
            _last = NodePool.None;
        Count--;
        nodes.Return(node);
        return true;
    }
}
