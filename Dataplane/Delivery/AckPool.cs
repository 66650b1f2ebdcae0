using FastExit.Cores;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

/// <summary>
/// Acks built ahead in idle time (end-to-end.md §5.2, §10: an ack depends on its set id and position alone, which the sender chooses),
/// so that under load a reply costs no route of its own. Bounded; all are of one key rotation and go with it. Each is used once: what is
/// sent again gets a fresh one.
/// </summary>
/// <param name="service">Whose acks.</param>
/// <param name="routes">The core's.</param>
/// <param name="capacity">Acks; 405 bytes and some each.</param>
/// <param name="position">Of the fragments that they are for: the first of its set, or <see cref="Outgoing.UnawaitedPosition"/>.</param>
/// <param name="counters">The core's.</param>
internal sealed class AckPool(ServiceIdentity service, RouteBook routes, int capacity, byte position, CoreCounters counters)
{
    public const int None = -1;

    private readonly AckBatch _batch = new();
    private readonly byte[] _prefixes = GC.AllocateArray<byte>(capacity * PacketSizes.AckPrefixBytes);
    private readonly uint[] _setIds = new uint[capacity];
    private readonly bool[] _isStale = new bool[capacity];
    private readonly int[] _ready = new int[capacity];
    private readonly int[] _free = FreePlaces(capacity);
    private readonly byte[] _identifier = new byte[16];
    private int _readyCount;
    private int _freeCount = capacity;

    /// <summary>There is room for more.</summary>
    public bool WantsMore => _freeCount > 0;

    /// <summary>Ready to be taken.</summary>
    public int Count => _readyCount;

    /// <summary>What packets they fit.</summary>
    public byte Position => position;

    /// <summary>Of what carries them.</summary>
    public KeyRotation Rotation => routes.Rotation;

    /// <summary>Builds as many as fit one batch, at most <paramref name="most"/>.</summary>
    public void Build(SetIdSequence setIds, int most)
    {
        _batch.Clear();
        int first = _freeCount;
        while (_freeCount > 0 && first - _freeCount < most)
        {
            uint setId = setIds.Next();
            if (_batch.Add(
                routes.Draw(routes.OwnGatewayOf(Rotation), service.Address.Identity, _identifier), service.AckKey, setId, position) < 0)
                break;
            _setIds[_free[--_freeCount]] = setId;
        }

        _batch.Build();
        for (int lane = 0; lane < _batch.Count; lane++)
        {
            int place = _free[first - 1 - lane];
            _batch.Prefix(lane).CopyTo(Bytes(place));
            _isStale[place] = false;
            _ready[_readyCount++] = place;
        }

        counters.Add(Counter.Delivery_AcksBuiltAhead, _batch.Count);
        _batch.Clear();
    }

    /// <summary>An ack for a fragment that then bears <paramref name="setId"/>; <see cref="Free"/> it after use.</summary>
    public bool TryTake(out int place, out uint setId)
    {
        (place, setId) = (None, 0);
        if (_readyCount == 0)
            return false;
        place = _ready[--_readyCount];
        setId = _setIds[place];
        return true;
    }

    /// <summary>False: its key has been replaced since it was taken, or what carries it has another rotation.</summary>
    public bool Fits(int place, KeyRotation rotation) => !_isStale[place] && rotation == Rotation;

    /// <summary>405 bytes.</summary>
    public ReadOnlySpan<byte> Prefix(int place) => Bytes(place);

    public void Free(int place) => _free[_freeCount++] = place;

    /// <summary>The keys changed.</summary>
    public void Discard()
    {
        while (_readyCount > 0)
            Free(_ready[--_readyCount]);
        _isStale.AsSpan().Fill(true);
    }

    private static int[] FreePlaces(int capacity)
    {
        int[] places = new int[capacity];
        for (int i = 0; i < capacity; i++)
            places[i] = i;
        return places;
    }

    private Span<byte> Bytes(int place) => _prefixes.AsSpan(place * PacketSizes.AckPrefixBytes, PacketSizes.AckPrefixBytes);
}
