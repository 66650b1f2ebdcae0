using FastExit.Memory;

namespace FastExit.NetworkRequester;

/// <summary>
/// The slots that data without a connection holds, by class: a share of each, since a slot of any size can be held by a message of a
/// few bytes. Says which connection gives way when a share is used up: the oldest whose largest slot is of that class.
/// </summary>
internal sealed class EarlySlots
{
    private const int Classes = (int)SlotClass.Assembly4M + 1;

    private readonly int[] _held = new int[Classes];
    private readonly int[] _limits = new int[Classes];
    private readonly IndexLists _byLargest;

    public EarlySlots(int connections, SlotPool slots, int percent)
    {
        _byLargest = new IndexLists(connections, Classes);
        for (int c = 0; c < Classes; c++)
            _limits[c] = (int)Math.Max(1, (long)slots.Total((SlotClass)c) * percent / 100);
    }

    public int Held(SlotClass slotClass) => _held[(int)slotClass];

    /// <summary>Who must let go before one more slot of the class may be held; none: there is room.</summary>
    public int Victim(SlotClass slotClass)
    {
        if (_held[(int)slotClass] < _limits[(int)slotClass])
            return IndexLists.None;
        int victim = IndexLists.None;
        for (int c = (int)slotClass; victim == IndexLists.None && c < Classes; c++)
            victim = _byLargest.Oldest(c);
        return victim;
    }

    public void Hold(int connection, SlotClass slotClass)
    {
        _held[(int)slotClass]++;
        if (_byLargest.ListOf(connection) < (int)slotClass)
            _byLargest.Append((int)slotClass, connection);
    }

    public void Release(SlotClass slotClass) => _held[(int)slotClass]--;

    /// <summary>The connection holds no slots any more, or is early no more.</summary>
    public void Leave(int connection) => _byLargest.Remove(connection);
}
