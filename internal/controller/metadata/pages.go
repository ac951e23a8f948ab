package metadata

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
)

const (
	// firstPage is the number of objects on the first page of a list. With the largest
	// metadata that the API server accepts, that is about 12 MiB.
	firstPage = 8
	// maxPage is the maximum number of objects on a page. The number doubles from page to
	// page while pages have less than pageSize bytes.
	maxPage  = 500
	pageSize = 1 << 20
)

type listFunc = func(context.Context, metav1.ListOptions) (runtime.Object, error)

// NewInformer returns a constructor of informers that list metadata in pages and strip each
// page on arrival. Otherwise, an API server that does not stream lists (before Kubernetes
// 1.32) would return all objects at once, whatever their size.
func NewInformer(strip toolscache.TransformFunc) func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer {
	return func(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		_, isMetadata := example.(*metav1.PartialObjectMetadata)
		if listWatch, ok := lw.(*toolscache.ListWatch); ok && isMetadata {
			listWatch.ListWithContextFunc = inPages(listWatch.ListWithContextFunc, strip)
		}
		return toolscache.NewSharedIndexInformer(lw, example, resync, indexers)
	}
}

// inPages returns a list function that calls list page by page and returns all objects,
// stripped. All pages have the same resource version, so an error on one of them fails the
// whole list, and the caller retries it.
func inPages(list listFunc, strip toolscache.TransformFunc) listFunc {
	return func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		// The API server ignores the limit if it may answer with any resource version. The
		// most recent one is at least as fresh as the one that the caller requested.
		options.ResourceVersion, options.ResourceVersionMatch = "", ""
		options.Continue, options.Limit = "", firstPage
		var all *metav1.PartialObjectMetadataList
		for {
			object, err := list(ctx, options)
			if err != nil {
				return nil, err
			}
			page, ok := object.(*metav1.PartialObjectMetadataList)
			if !ok {
				return nil, fmt.Errorf("a list of metadata is a %T", object)
			}
			size, err := stripPage(page, strip)
			if err != nil {
				return nil, err
			}
			if all == nil {
				all = page
			} else {
				all.Items = append(all.Items, page.Items...)
			}
			if page.Continue == "" {
				all.Continue, all.RemainingItemCount = "", nil
				return all, nil
			}
			options.Continue, options.Limit = page.Continue, nextLimit(options.Limit, size)
		}
	}
}

// stripPage strips the objects of a page and returns their original size in bytes.
func stripPage(page *metav1.PartialObjectMetadataList, strip toolscache.TransformFunc) (size int, err error) {
	for i := range page.Items {
		size += page.Items[i].Size()
		stripped, err := strip(&page.Items[i])
		if err != nil {
			return size, err
		}
		if object, ok := stripped.(*metav1.PartialObjectMetadata); ok {
			page.Items[i] = *object
		}
	}
	return size, nil
}

// nextLimit returns the limit of the next page, given the limit of the last one and its size
// in bytes.
func nextLimit(limit int64, size int) int64 {
	if size < pageSize {
		return min(maxPage, 2*limit)
	}
	return max(1, limit/2)
}
