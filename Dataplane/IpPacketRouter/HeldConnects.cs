using FastExit.IpPacketRouter.Protocol;

namespace FastExit.IpPacketRouter;

/// <summary>
/// Connect requests that came before the SURBs to answer them with: mixes reorder, and clients send most SURBs with the message that opens
/// the stream. One for each client, at most <see cref="Capacity"/>; the oldest gives way.
/// </summary>
internal sealed class HeldConnects
{
    public const int Capacity = 256;

    /// <summary>Longer than mixes hold packets; clients ask again after five to ten seconds.</summary>
    public const long Milliseconds = 5_000;

    private readonly Held[] _held = new Held[Capacity];
    private int _count;

    public int Count => _count;

    /// <summary>In place of an older one of this client.</summary>
    public void Add(int peer, in IprRequest request, long now)
    {
        int place = IndexOf(peer);
        if (place < 0)
            place = _count < Capacity ? _count++ : Oldest();
        _held[place] = new Held(peer, request, now);
    }

    /// <summary>Takes the request of that client, unless it is too old to be answered.</summary>
    public bool TryTake(int peer, long now, out IprRequest request)
    {
        request = default;
        int place = IndexOf(peer);
        if (place < 0)
            return false;
        Held held = _held[place];
        _held[place] = _held[--_count];
        request = held.Request;
        return now - held.Since <= Milliseconds;
    }

    private int IndexOf(int peer)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_held[i].Peer == peer)
                return i;
        }

        return -1;
    }

    private int Oldest()
    {
        int oldest = 0;
        for (int i = 1; i < _count; i++)
        {
            if (_held[i].Since < _held[oldest].Since)
                oldest = i;
        }

        return oldest;
    }

    private readonly record struct Held(int Peer, IprRequest Request, long Since);
}
