using FastExit.Native.IoUring;

namespace FastExit.NetworkRequester;

/// <summary>Gather lists by index, for the sends in flight that have several parts; made when needed and used again.</summary>
internal sealed class GatherLists : IDisposable
{
    public const int Parts = 64;

    private readonly List<GatherList> _lists = [];
    private readonly Stack<int> _free = new();

    public GatherList this[int index] => _lists[index];

    public int Rent()
    {
        if (_free.TryPop(out int index))
            return index;
        _lists.Add(new GatherList(Parts));
        return _lists.Count - 1;
    }

    public void Return(int index)
    {
        _lists[index].Clear();
        _free.Push(index);
    }

    public void Dispose()
    {
        foreach (GatherList list in _lists)
            list.Dispose();
    }
}
