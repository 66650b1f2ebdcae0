using FastExit.Native.IoUring;
using Microsoft.Extensions.ObjectPool;

namespace FastExit.NetworkRequester;

/// <summary>How gather lists are made and taken back: lists for the sends in flight that have several parts.</summary>
internal sealed class GatherLists : PooledObjectPolicy<GatherList>
{
    public const int Parts = 64;

    /// <summary>A pool that keeps <paramref name="maximumRetained"/> lists; it frees them when it is disposed.</summary>
    public static ObjectPool<GatherList> Pool(int maximumRetained) =>
        new DefaultObjectPoolProvider { MaximumRetained = maximumRetained }.Create(new GatherLists());

    public override GatherList Create() => new(Parts);

    public override bool Return(GatherList obj)
    {
        obj.Clear();
        return true;
    }
}
